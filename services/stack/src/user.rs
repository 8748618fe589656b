//! A person at the doors of a stack, who repeats what failed as every client should: with the same request id.

mod call;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::account::v1::{CreateApiKeyRequest, RevokeApiKeyRequest, SignUpRequest};
use imagioo_proto::billing::v1::billing_service_client::BillingServiceClient;
use imagioo_proto::billing::v1::{Balance, GetBalanceRequest};
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, DownloadImageRequest, Generation, GenerationSettings, GenerationState, Image,
    ListGenerationsRequest, download_image_response::Part,
};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use call::{balanced, signed, timed, until_answered};

/// Longer than any restart; a call that is still refused then never will be accepted.
const PATIENCE: Duration = Duration::from_secs(90);
const AGAIN: Duration = Duration::from_millis(100);
/// The longest answer of one call.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse battery staple";

/// Somebody with an API key.
#[derive(Debug, Clone)]
pub struct User {
    channel: Channel,
    /// The access token of the sign-up, good for five minutes.
    session: String,
    key_name: String,
    key: String,
}

impl User {
    /// Signs somebody new up and makes an API key.
    ///
    /// # Errors
    /// The account service does not answer in time, or refuses.
    pub async fn sign_up(gateways: &[String]) -> anyhow::Result<Self> {
        let channel = balanced(gateways)?;
        let mut account = AccountServiceClient::new(channel.clone());
        let (email, session) = until_answered(async || {
            // A lost answer leaves an account behind that nobody uses.
            let email = format!("{}@example.org", Uuid::now_v7().simple());
            let wanted = SignUpRequest { email: email.clone(), password: PASSWORD.to_owned() };
            let session = account.clone().sign_up(timed(wanted)).await?.into_inner().session;
            Ok((email, session.unwrap_or_default()))
        })
        .await?;
        let (key_name, key) = until_answered(async || {
            let wanted = CreateApiKeyRequest { display_name: "stack".to_owned(), expire_time: None };
            let answer = account.create_api_key(signed(wanted, &session.access_token)?).await?;
            let answer = answer.into_inner();
            Ok((answer.api_key.unwrap_or_default().name, answer.secret))
        })
        .await
        .with_context(|| format!("no API key for {email}"))?;
        Ok(Self { channel, session: session.access_token, key_name, key })
    }

    /// What the `authorization` header carries.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The same person with another credential.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Revokes the key.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub async fn revoke_key(&self) -> anyhow::Result<()> {
        until_answered(async || {
            let mut account = AccountServiceClient::new(self.channel.clone());
            let wanted = RevokeApiKeyRequest { name: self.key_name.clone() };
            account.revoke_api_key(signed(wanted, &self.session)?).await.map(drop)
        })
        .await
    }

    /// The doors.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Signs a message.
    ///
    /// # Errors
    /// The key is not text.
    pub fn says<T>(&self, message: T) -> Result<Request<T>, Status> {
        signed(message, &self.key)
    }

    /// Waits until the credits of the registration are there.
    ///
    /// # Errors
    /// They do not come in time.
    pub async fn funded(&self) -> anyhow::Result<i64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let available = self.balance().await?.available;
            if available > 0 {
                return Ok(available);
            }
            ensure!(Instant::now() < deadline, "no credits arrive");
            sleep(AGAIN).await;
        }
    }

    /// The credits now.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub async fn balance(&self) -> anyhow::Result<Balance> {
        until_answered(async || {
            let mut billing = BillingServiceClient::new(self.channel.clone());
            let answer = billing.get_balance(self.says(GetBalanceRequest {})?).await?;
            Ok(answer.into_inner().balance.unwrap_or_default())
        })
        .await
    }

    /// A generation of `count` images by the offline model, accepted.
    ///
    /// # Errors
    /// It is refused, or nobody answers in time.
    pub async fn create(&self, prompt: &str, count: i32) -> anyhow::Result<Generation> {
        self.create_with(("models/sketch", "256x256"), prompt, count).await
    }

    /// A generation of `count` images by a model in a size, accepted.
    ///
    /// # Errors
    /// It is refused, or nobody answers in time.
    pub async fn create_with(
        &self,
        (model, size): (&str, &str),
        prompt: &str,
        count: i32,
    ) -> anyhow::Result<Generation> {
        let wanted = CreateGenerationRequest {
            request_id: Uuid::now_v7().to_string(),
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            settings: Some(GenerationSettings { size: size.to_owned(), ..GenerationSettings::default() }),
            count,
            ..CreateGenerationRequest::default()
        };
        self.accepted(wanted).await
    }

    /// What was asked for, accepted; repeated with its request id as long as a failure may pass.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn accepted(&self, mut wanted: CreateGenerationRequest) -> anyhow::Result<Generation> {
        until_answered(async || {
            let mut generations = GenerationServiceClient::new(self.channel.clone());
            let answer = generations.create_generation(self.says(wanted.clone())?).await;
            if answer.as_ref().is_err_and(|status| status.code() == Code::Aborted) {
                // Given up after a crash between hold and insert, as the answer says.
                wanted.request_id = Uuid::now_v7().to_string();
            }
            Ok(answer?.into_inner().generation.unwrap_or_default())
        })
        .await
    }

    /// Every generation of this person, newest first.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub async fn generations(&self) -> anyhow::Result<Vec<Generation>> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let page = until_answered(async || {
                let mut generations = GenerationServiceClient::new(self.channel.clone());
                let wanted = ListGenerationsRequest {
                    page_size: 200,
                    page_token: page_token.clone(),
                    ..Default::default()
                };
                Ok(generations.list_generations(self.says(wanted)?).await?.into_inner())
            })
            .await?;
            all.extend(page.generations);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = page.next_page_token;
        }
    }

    /// Waits until every generation of this person has ended.
    ///
    /// # Errors
    /// One has not within `patience`.
    pub async fn all_ended(&self, patience: Duration) -> anyhow::Result<Vec<Generation>> {
        let deadline = Instant::now() + patience;
        loop {
            let all = self.generations().await?;
            let open: Vec<_> = all.iter().filter(|generation| !ended(generation.state())).collect();
            if open.is_empty() {
                return Ok(all);
            }
            ensure!(
                Instant::now() < deadline,
                "{} of {} have not ended: {:?}",
                open.len(),
                all.len(),
                open[0]
            );
            sleep(AGAIN * 3).await;
        }
    }

    /// Downloads an image and checks it against its hash.
    ///
    /// # Errors
    /// It is not what the hash says, or nobody answers in time.
    pub async fn download(&self, image: &Image) -> anyhow::Result<Vec<u8>> {
        let file = until_answered(async || {
            let mut images = ImageServiceClient::new(self.channel.clone());
            let wanted = DownloadImageRequest { name: image.name.clone(), offset: 0 };
            let mut parts = images.download_image(self.says(wanted)?).await?.into_inner();
            let mut file = Vec::new();
            while let Some(part) = parts.message().await? {
                if let Some(Part::Data(data)) = part.part {
                    file.extend_from_slice(&data);
                }
            }
            Ok(file)
        })
        .await?;
        ensure!(Sha256::digest(&file).as_slice() == &*image.sha256, "{} is not what was stored", image.name);
        Ok(file)
    }
}

/// Whether it will not change any more.
#[must_use]
pub const fn ended(state: GenerationState) -> bool {
    matches!(state, GenerationState::Succeeded | GenerationState::Failed | GenerationState::Cancelled)
}
