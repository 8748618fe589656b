//! Addresses that are not the API's.

use imagioo_testkit::web::{Reply, WebServer};

use super::{Fault, Step, Trial, Wire};
use crate::harness::ending;

/// A redirect is not followed, and a task is asked after and cancelled nowhere else, whoever says so: the key would go
/// along.
pub async fn strangers<W: Wire>() {
    let stranger = WebServer::start(|_| Reply::json(200, "{}")).await;
    for status in [302, 307] {
        let moved = Reply::json(status, "{}").with("location", &stranger.url("/v1"));
        let fault = Some(Fault::always(Step::Submit, moved));
        let verdict = Trial { fault, ..Trial::default() }.run::<W>().await;
        assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_BAD_ANSWER:unknown", "{status}");
    }
    if W::TASK.is_some_and(|task| task.contains("{origin}")) {
        for origin in [stranger.url(""), "https://api.example.com".to_owned()] {
            let verdict = Trial { stated: Some(origin.clone()), ..Trial::default() }.run::<W>().await;
            assert_eq!(ending(&verdict.manifest), "failed:RESULT_HOST_NOT_ALLOWED", "{origin}");
        }
    }
    assert_eq!(stranger.asked().len(), 0, "nobody connected to the stranger");
}
