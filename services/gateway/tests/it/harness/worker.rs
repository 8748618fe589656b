//! A worker as the gateway sees one: it takes offers, holds leases, stores results and says when it has finished.

use bytes::Bytes;
use imagioo_proto::generation::v1::lease_service_client::LeaseServiceClient;
use imagioo_proto::generation::v1::{
    ContentPolicy, Failure, ImageFormat, Job, Lease, Preview, RecordTaskRequest, RenewLeasesRequest,
    RenewLeasesResponse, StartGenerationRequest,
};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{
    Charged, Complete, GenerationFinished, GenerationProgress, GenerationReady, Manifest, Retry, StoredImage,
};
use imagioo_queue::{Deliveries, Message, Queue, Subscription};
use imagioo_rpc::{Channel, RpcError};
use imagioo_storage::{ObjectKey, Storage, StorageError};
use imagioo_types::{GenerationId, UserId};
use prost::Message as _;
use prost_types::Timestamp;
use sha2::{Digest as _, Sha256};

use super::within;

/// A worker process for one deployment.
pub struct Worker {
    offers: Deliveries,
    hands: Hands,
}

/// What a worker does its work with.
#[derive(Clone)]
struct Hands {
    name: String,
    leases: LeaseServiceClient<Channel>,
    queue: Queue,
    storage: Storage,
}

impl Worker {
    pub async fn attend(
        deployment: &str,
        name: &str,
        channel: Channel,
        queue: &Queue,
        storage: &Storage,
    ) -> Self {
        let offers = queue.consume(Subscription::deployment(deployment, 64)).await.expect("a queue");
        let hands = Hands {
            name: name.to_owned(),
            leases: LeaseServiceClient::new(channel),
            queue: queue.clone(),
            storage: storage.clone(),
        };
        Self { offers, hands }
    }

    /// The next offer, off the queue.
    pub async fn take(&mut self) -> GenerationReady {
        let offer = within("an offer", self.offers.next()).await.expect("the queue is open");
        let ready = offer.decode::<GenerationReady>().expect("an offer");
        offer.ack().await;
        ready
    }

    /// Asks for a job; nothing when the gateway says stop.
    pub async fn start(&self, offer: &GenerationReady) -> Option<Attempt> {
        let request = StartGenerationRequest {
            generation: offer.generation.clone(),
            attempt: offer.attempt,
            worker: self.hands.name.clone(),
        };
        let answer = within("an answer", self.hands.leases.clone().start_generation(request)).await;
        let job = answer.expect("the gateway answers").into_inner().job?;
        Some(Attempt { job, hands: self.hands.clone() })
    }

    /// The next job; offers of work that is somebody else's are passed over.
    pub async fn job(&mut self) -> Attempt {
        loop {
            let offer = self.take().await;
            if let Some(attempt) = self.start(&offer).await {
                return attempt;
            }
        }
    }

    /// Takes as many jobs and delivers all their images.
    pub async fn work_off(&mut self, jobs: usize) {
        for _ in 0..jobs {
            self.job().await.deliver_all().await;
        }
    }

    /// Says which leases are held.
    pub async fn renew(&self, leases: Vec<Lease>) -> Result<RenewLeasesResponse, RpcError> {
        let request = RenewLeasesRequest { worker: self.hands.name.clone(), leases };
        Ok(within("an answer", self.hands.leases.clone().renew_leases(request)).await?.into_inner())
    }
}

/// One attempt in a worker's hands.
#[derive(Clone)]
pub struct Attempt {
    pub job: Job,
    hands: Hands,
}

impl Attempt {
    pub fn lease(&self) -> Lease {
        Lease { generation: self.job.generation.clone(), attempt: self.job.attempt, epoch: self.job.epoch }
    }

    /// Renews this lease alone; whether it is still held, and whether its owner wants it to end.
    pub async fn renew(&self) -> (bool, bool) {
        let request = RenewLeasesRequest { worker: self.hands.name.clone(), leases: vec![self.lease()] };
        let answer = within("an answer", self.hands.leases.clone().renew_leases(request)).await;
        let answer = answer.expect("the gateway answers").into_inner();
        (answer.lost.is_empty(), !answer.cancelled.is_empty())
    }

    /// Notes a call, or with an empty id the intent of one.
    pub async fn record(&self, call: i32, task_id: &str) -> Result<(), RpcError> {
        let (lease, task_id) = (Some(self.lease()), task_id.to_owned());
        let request = RecordTaskRequest { lease, call, task_id };
        within("an answer", self.hands.leases.clone().record_task(request)).await?;
        Ok(())
    }

    pub async fn progress(&self, percent: i32, preview: Option<&'static [u8]>) {
        let preview = preview.map(|data| Preview {
            index: 0,
            format: ImageFormat::Png.into(),
            data: Bytes::from_static(data),
        });
        let hint = GenerationProgress {
            generation: self.job.generation.clone(),
            attempt: self.job.attempt,
            epoch: self.job.epoch,
            stage: "generating".to_owned(),
            percent,
            preview,
            owner: self.job.owner.clone(),
        };
        self.hands.queue.hint(&hint).await;
    }

    /// The file of one of the pictures to start from.
    pub async fn input(&self, place: usize) -> Bytes {
        let key = self.job.inputs[place].object_key.parse().expect("a key");
        self.hands.storage.read(&key).await.expect("readable").expect("there")
    }

    /// Where the image with this index goes.
    pub fn key(&self, index: u32) -> ObjectKey {
        let (attempt, epoch) = (self.attempt(), u64::try_from(self.job.epoch).expect("an epoch"));
        ObjectKey::image(self.owner(), self.generation(), attempt, epoch, index)
    }

    pub fn manifest_key(&self) -> ObjectKey {
        ObjectKey::manifest(self.owner(), self.generation(), self.attempt())
    }

    pub fn generation(&self) -> GenerationId {
        GenerationId::from_name(&self.job.generation).expect("a name")
    }

    pub fn owner(&self) -> UserId {
        UserId::from_name(&self.job.owner).expect("a name")
    }

    fn attempt(&self) -> u32 {
        u32::try_from(self.job.attempt).expect("an attempt")
    }

    /// Stores an image, small and different for every key.
    pub async fn store(&self, index: u32) -> StoredImage {
        self.store_bytes(index, format!("image {}", self.key(index)).into()).await
    }

    pub async fn store_bytes(&self, index: u32, bytes: Bytes) -> StoredImage {
        let key = self.key(index);
        let (size, sha256) = (bytes.len(), Sha256::digest(&bytes));
        self.hands.storage.create(&key, bytes).await.expect("stored");
        StoredImage {
            object_key: key.to_string(),
            index: i32::try_from(index).expect("an index"),
            format: ImageFormat::Png.into(),
            width: 1024,
            height: 1024,
            size_bytes: i64::try_from(size).expect("a size"),
            sha256: Bytes::copy_from_slice(&sha256),
            seed: Some(i64::from(index)),
            screening: "allow:off".to_owned(),
        }
    }

    /// Writes the attempt's manifest; false when there is one.
    pub async fn conclude(&self, images: Vec<StoredImage>, ending: impl Into<Option<Ending>>) -> bool {
        let manifest = Manifest {
            generation: self.job.generation.clone(),
            attempt: self.job.attempt,
            epoch: self.job.epoch,
            worker: self.hands.name.clone(),
            images,
            ending: ending.into(),
            finish_time: None,
        };
        self.conclude_with(manifest.encode_to_vec().into()).await
    }

    /// Writes these bytes in the manifest's place.
    pub async fn conclude_with(&self, bytes: Bytes) -> bool {
        match self.hands.storage.create(&self.manifest_key(), bytes).await {
            Ok(()) => true,
            Err(StorageError::AlreadyExists { .. }) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Says that the attempt is over; returns when the gateway has dealt with that.
    pub async fn announce(&self) {
        let finished = GenerationFinished {
            generation: self.job.generation.clone(),
            owner: self.job.owner.clone(),
            attempt: self.job.attempt,
            manifest: self.manifest_key().to_string(),
        };
        let confirmed = self.hands.queue.publish(Message::of(&finished));
        within("the gateway applies it", confirmed).await.expect("confirmed");
    }

    /// Delivers the first `count` images and ends well.
    pub async fn deliver(&self, count: u32) {
        let mut images = Vec::new();
        for index in 0..count {
            images.push(self.store(index).await);
        }
        assert!(self.conclude(images, Ending::Complete(Complete {})).await, "the first manifest");
        self.announce().await;
    }

    pub async fn deliver_all(&self) {
        self.deliver(u32::try_from(self.job.count).expect("a count")).await;
    }

    /// Ends without an image.
    pub async fn report(&self, ending: Ending) {
        assert!(self.conclude(Vec::new(), ending).await, "the first manifest");
        self.announce().await;
    }
}

fn failure(reason: &str) -> Failure {
    Failure { reason: reason.to_owned(), message: "it did not work".to_owned(), content_policy: None }
}

/// The provider is down, which may pass.
pub fn retry(charged: Charged, not_before: Option<time::OffsetDateTime>) -> Ending {
    passing("PROVIDER_UNAVAILABLE", charged, not_before)
}

/// A failure that may pass.
pub fn passing(reason: &str, charged: Charged, not_before: Option<time::OffsetDateTime>) -> Ending {
    Ending::Retry(Retry {
        cause: Some(failure(reason)),
        not_before: not_before.map(|at| Timestamp { seconds: at.unix_timestamp(), nanos: 0 }),
        charged: charged.into(),
    })
}

/// A failure that will not.
pub fn failed(reason: &str) -> Ending {
    Ending::Failed(failure(reason))
}

/// The provider does not want to make this.
pub fn refused() -> Ending {
    Ending::Refused(ContentPolicy {
        stage: "input".to_owned(),
        categories: vec!["violence".to_owned()],
        provider: "sketch".to_owned(),
    })
}
