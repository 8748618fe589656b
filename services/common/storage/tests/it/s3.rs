//! A bucket on a real S3 server: the common properties, who is let in, and what faults must not do.

mod configuration;
mod faults;
mod links;

use imagioo_storage::{S3Config, Storage};
use imagioo_testkit::s3::{ACCESS_KEY_ID, BUCKET, REGION, S3Server, SECRET_ACCESS_KEY};

use crate::conformance;

conformance::properties!(bucket().await);

async fn bucket() -> (Storage, S3Server) {
    let server = S3Server::start().await.unwrap();
    (Storage::s3(&config(&server)).unwrap(), server)
}

fn config(server: &S3Server) -> S3Config {
    S3Config {
        endpoint: server.endpoint().parse().unwrap(),
        region: REGION.to_owned(),
        bucket: BUCKET.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.into(),
        allow_http: true,
        path_style: true,
        connect_seconds: 5,
        request_seconds: 30,
        attempts: 3,
    }
}
