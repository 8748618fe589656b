//! The HTTP clients of a bucket: bounded in time, without redirects and without proxies of the environment.

use std::time::Duration;

use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector},
};
use reqwest::{Client, ClientBuilder, redirect::Policy};

use super::{S3Config, misconfigured};
use crate::error::StorageError;

/// Hands `object_store` a client that is made already.
#[derive(Debug)]
pub(super) struct Connector {
    client: Client,
}

impl Connector {
    /// For requests whose answer is short: the whole exchange is bounded.
    pub(super) fn acting(config: &S3Config) -> Result<Self, StorageError> {
        Self::of(builder(config).timeout(Duration::from_secs(config.request_seconds)))
    }

    /// For readings, as long as their reader likes: each wait for more is bounded.
    pub(super) fn reading(config: &S3Config) -> Result<Self, StorageError> {
        Self::of(builder(config).read_timeout(Duration::from_secs(config.request_seconds)))
    }

    fn of(builder: ClientBuilder) -> Result<Self, StorageError> {
        let client = builder.build().map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "no HTTP client for the object store");
            misconfigured("no HTTP client can be made; are there root certificates?")
        })?;
        Ok(Self { client })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.client.clone()))
    }
}

fn builder(config: &S3Config) -> ClientBuilder {
    // HTTP/1: many connections are faster than many streams here. Nothing is unpacked on its way: sizes and
    // hashes are those of the object.
    Client::builder()
        .https_only(!config.allow_http)
        .connect_timeout(Duration::from_secs(config.connect_seconds))
        .redirect(Policy::none())
        .no_proxy()
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
}
