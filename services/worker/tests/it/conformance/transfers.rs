//! What happens before a provider is reached, and while a result is under way.

use std::time::Duration;

use imagioo_testkit::web::Reply;
use tokio::net::{TcpListener, TcpSocket};

use super::{Fault, Step, Trial, Verdict, Wire};
use crate::harness::{ending, picture};

/// A provider that was never reached did nothing and cost nothing: nobody listens, or the connection is reset before
/// anything can be asked.
pub async fn unreachable<W: Wire>() {
    let nobody = TcpSocket::new_v4().expect("a socket");
    nobody.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let closed = nobody.local_addr().expect("bound");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let resetting = listener.local_addr().expect("bound");
    let reset_all = async {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_zero_linger().expect("an open connection");
        }
        unreachable!("the listener ended")
    };
    let trials = async {
        for origin in [format!("http://{closed}"), format!("https://{resetting}")] {
            let verdict = Trial { origin: Some(origin.clone()), ..Trial::default() }.run::<W>().await;
            assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_UNAVAILABLE:no", "{origin}");
        }
    };
    tokio::select! {
        () = trials => {}
        () = reset_all => {}
    }
}

/// A download that breaks off begins again, for the image is paid for; one that never ends is given up in time, and none
/// makes another call.
pub async fn broken_downloads<W: Wire>() {
    if !W::LINKS {
        return;
    }
    let cut = || Reply::Cut { body: picture(1).to_vec(), after: picture(1).len() / 2 };
    let verdict = faulty::<W>(cut(), 2, toml::Table::new()).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.manifest.images.len()), ("complete", 1));
    assert_eq!((verdict.count(Step::Submit), verdict.count(Step::Download)), (1, 3));

    let verdict = faulty::<W>(cut(), usize::MAX, toml::Table::new()).await;
    assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_UNAVAILABLE:unknown");
    assert_eq!((verdict.count(Step::Submit), verdict.count(Step::Download)), (1, 4));

    let verdict = faulty::<W>(Reply::Hang, 1, toml::toml! { results = { image_seconds = 8 } }).await;
    assert_eq!(ending(&verdict.manifest), "complete", "a silence ends");

    let drip = Reply::Drip { body: picture(1).to_vec(), pause: Duration::from_millis(50) };
    let (short, small) =
        (toml::toml! { results = { image_seconds = 1 } }, toml::toml! { results = { image_bytes = 100000 } });
    for (name, reply, limit, expected) in [
        ("hang", Reply::Hang, short.clone(), "retry:PROVIDER_TIMEOUT:unknown"),
        ("drip", drip, short, "retry:PROVIDER_TIMEOUT:unknown"),
        ("endless", Reply::Endless("\u{89}PNG"), small, "failed:PROVIDER_BAD_IMAGE"),
    ] {
        let verdict = faulty::<W>(reply, usize::MAX, limit).await;
        assert_eq!(
            (ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)),
            (expected, 1),
            "{name}"
        );
    }
}

async fn faulty<W: Wire>(reply: Reply, times: usize, overrides: toml::Table) -> Verdict {
    let fault = Some(Fault { step: Step::Download, times, reply });
    Trial { fault, overrides, ..Trial::default() }.run::<W>().await
}
