//! The demo: a local account, a CLI profile for it, and a first image through the real path. Each step happens once.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::account::v1::{CreateApiKeyRequest, SignInRequest, SignUpRequest};
use imagioo_proto::billing::v1::GetBalanceRequest;
use imagioo_proto::billing::v1::billing_service_client::BillingServiceClient;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, DownloadImageRequest, Generation, GenerationState, download_image_response,
};
use imagioo_rpc::{Code, RpcError, bearer, plain_endpoint};
use tonic::Request;
use tonic::transport::Channel;

mod memory;

use super::data::DataFolder;
use crate::profile;
use memory::Memory;

const EMAIL: &str = "demo@imagioo.local";
const PROMPT: &str = "a red fox in a snowy forest at dawn";
/// The idempotency key of the first image: however often the demo starts, it is the same generation.
const REQUEST_ID: &str = "first-image";
/// How long the sign-up credits may take: they come over the queue.
const CREDITS: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
const WAIT_SECONDS: i32 = 120;

/// Runs the demo beside the server. A failure is logged; the server goes on.
pub(crate) async fn run(address: SocketAddr, data: &DataFolder) {
    if let Err(error) = demo(address, data).await {
        tracing::error!(error = format!("{error:#}"), "the demo failed");
    }
}

async fn demo(address: SocketAddr, data: &DataFolder) -> anyhow::Result<()> {
    let path = data.first_image();
    if !path.exists() {
        let server = format!("http://{address}");
        let channel = plain_endpoint(&server)?.connect_lazy();
        let token = sign_in(&channel, data).await?;
        give_profile(&channel, &token, &server, data).await?;
        funded(&channel, &token).await?;
        let generation = first_image(&channel, &token).await?;
        let bytes = download(&channel, &token, &generation).await?;
        let partial = path.with_extension("part");
        std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, &path))?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "first image: {}", path.display())?;
    writeln!(out, "next: imagioo generate \"{PROMPT}\" -o fox.png")?;
    Ok(out.flush()?)
}

/// An access token of the demo account, which is created if it does not exist.
async fn sign_in(channel: &Channel, data: &DataFolder) -> anyhow::Result<String> {
    let memory = Memory::of(data)?;
    let mut accounts = AccountServiceClient::new(channel.clone());
    let request = SignUpRequest { email: EMAIL.to_owned(), password: memory.password.clone() };
    match accounts.sign_up(request).await.map_err(RpcError::from) {
        Ok(answer) => {
            let session = answer.into_inner().session.context("sign-up opened no session")?;
            return Ok(session.access_token);
        }
        Err(error) if error.code() == Code::EmailTaken => {}
        Err(error) => return Err(error).context("cannot sign up"),
    }
    let request = SignInRequest { email: EMAIL.to_owned(), password: memory.password };
    let answer = accounts.sign_in(request).await.map_err(RpcError::from).context("cannot sign in")?;
    Ok(answer.into_inner().session.context("sign-in opened no session")?.access_token)
}

/// Gives the command line an API key of the demo account, unless it has a profile of that name.
async fn give_profile(channel: &Channel, token: &str, server: &str, data: &DataFolder) -> anyhow::Result<()> {
    if profile::exists(profile::LOCAL)? {
        return Ok(());
    }
    let request = CreateApiKeyRequest { display_name: "imagioo command line".to_owned(), expire_time: None };
    let created = AccountServiceClient::new(channel.clone())
        .create_api_key(authorized(token, request)?)
        .await
        .map_err(RpcError::from)
        .context("cannot create an API key")?;
    let mut local = profile::Profile::with_api_key(server, EMAIL, &created.into_inner().secret);
    local.data = Some(data.root().to_owned());
    profile::insert_if_absent(profile::LOCAL, local)?;
    Ok(())
}

/// Waits for the credits that a new account gets.
async fn funded(channel: &Channel, token: &str) -> anyhow::Result<()> {
    let mut billing = BillingServiceClient::new(channel.clone());
    let deadline = tokio::time::Instant::now() + CREDITS;
    while tokio::time::Instant::now() < deadline {
        let answer = billing.get_balance(authorized(token, GetBalanceRequest {})?).await;
        match answer.map_err(RpcError::from) {
            Ok(balance)
                if balance.get_ref().balance.as_ref().is_some_and(|balance| balance.available > 0) =>
            {
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => return Err(error).context("cannot read the balance"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("the demo account got no credits")
}

async fn first_image(channel: &Channel, token: &str) -> anyhow::Result<Generation> {
    let request = CreateGenerationRequest {
        request_id: REQUEST_ID.to_owned(),
        model: "models/sketch".to_owned(),
        prompt: PROMPT.to_owned(),
        wait_seconds: WAIT_SECONDS,
        ..CreateGenerationRequest::default()
    };
    let answer = GenerationServiceClient::new(channel.clone())
        .create_generation(authorized(token, request)?)
        .await
        .map_err(RpcError::from)
        .context("cannot create the first image")?;
    let generation = answer.into_inner().generation.context("no generation was created")?;
    if generation.state() != GenerationState::Succeeded {
        let why = generation.failure.map(|failure| failure.message).unwrap_or_default();
        bail!("the first image was not made: {why}");
    }
    Ok(generation)
}

async fn download(channel: &Channel, token: &str, generation: &Generation) -> anyhow::Result<Vec<u8>> {
    let name = generation.images.first().context("the generation has no image")?.name.clone();
    let request = authorized(token, DownloadImageRequest { name, offset: 0 })?;
    let mut parts = ImageServiceClient::new(channel.clone())
        .download_image(request)
        .await
        .map_err(RpcError::from)
        .context("cannot download the first image")?
        .into_inner();
    let mut bytes = Vec::new();
    while let Some(answer) = parts.message().await.map_err(RpcError::from)? {
        if let Some(download_image_response::Part::Data(data)) = answer.part {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

fn authorized<T>(token: &str, message: T) -> Result<Request<T>, RpcError> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(token)?);
    Ok(request)
}
