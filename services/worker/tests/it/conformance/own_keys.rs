//! Jobs that come with a user's own key.

use imagioo_testkit::web::{Asked, Reply, WebServer};

use super::{Fault, Step, Trial, Wire};
use crate::harness::ending;

/// The operator's key, which no job with an own key may show to anybody.
const OPERATORS: &str = "operators:secret";

fn trial(fault: Option<Fault>) -> Trial {
    Trial { fault, operators_key: Some(OPERATORS), ..Trial::default() }
}

fn on_submit(reply: Reply) -> Trial {
    trial(Some(Fault::always(Step::Submit, reply)))
}

fn carries(asked: &Asked, key: &str) -> bool {
    asked.headers.iter().any(|(_, value)| value.contains(key)) || asked.path.contains(key)
}

/// The API gets the user's key and nobody gets the operator's; what the provider thinks of the user's account is told apart
/// from what it thinks of the operator's. Where users have no keys, nothing is called.
pub async fn own_keys<W: Wire>() {
    if !W::OWN_KEYS {
        let verdict = trial(None).run::<W>().await;
        assert_eq!(ending(&verdict.manifest), "failed:OWN_KEY_UNUSABLE");
        assert_eq!(verdict.asked.len(), 0, "nothing is called on the operator's key");
        return;
    }
    let done = trial(None).run::<W>().await;
    assert_eq!((ending(&done.manifest).as_str(), done.manifest.images.len()), ("complete", 1));
    for (step, asked) in &done.asked {
        assert_eq!(carries(asked, W::KEY), *step != Step::Download, "{step:?}");
        assert!(!carries(asked, "secret"), "{step:?}: the operator's key");
    }
    for (status, expected) in
        [(401, "failed:OWN_KEY_REFUSED"), (403, "failed:OWN_KEY_REFUSED"), (402, "failed:OWN_KEY_EXHAUSTED")]
    {
        let verdict = on_submit(Reply::json(status, "{}")).run::<W>().await;
        assert_eq!(ending(&verdict.manifest), expected, "{status}");
        assert_eq!(verdict.count(Step::Submit), 1, "{status}: not tried again on another key");
        assert!(!verdict.asked.iter().any(|(_, asked)| carries(asked, "secret")), "{status}");
    }
    let elsewhere = WebServer::start(|_| Reply::json(200, "{}")).await;
    for status in [302, 307] {
        let moved = Reply::json(status, "{}").with("location", &elsewhere.url("/v1"));
        let verdict = on_submit(moved).run::<W>().await;
        assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_BAD_ANSWER:unknown", "{status}");
    }
    assert_eq!(elsewhere.asked().len(), 0, "no redirect is followed with a key");
}
