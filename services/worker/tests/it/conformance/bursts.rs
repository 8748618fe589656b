//! Server errors in a row.

use imagioo_testkit::web::Reply;

use super::{Fault, Step, Wire, account, prepared, serve};
use crate::harness::{World, ending, picture};

/// How many calls in a row fail.
const BURST: u32 = 3;

/// Each attempt makes one call and says what became of it; the first after the burst delivers.
pub async fn bursts<W: Wire>() {
    let mut world = World::new().await;
    let fault = Fault { step: Step::Submit, times: BURST as usize, reply: Reply::json(500, "{}") };
    let (server, steps) = serve::<W>(Some(fault), (None, None), picture(1).to_vec()).await;
    let worker = world.start_configured(account::<W>(&server.url(""), W::KEY));
    let mut job = prepared::<W>(&world).await;
    for attempt in 1..=BURST + 1 {
        job.lease.attempt = attempt;
        world.submit(&job).await;
        let expected = match attempt {
            0..=BURST => format!("retry:PROVIDER_UNAVAILABLE:{}", W::SERVER_ERROR_CHARGED),
            _ => "complete".to_owned(),
        };
        assert_eq!(ending(&world.outcome().await.manifest), expected, "attempt {attempt}");
        let steps = steps.lock().expect("no answer panics");
        let submits = steps.iter().filter(|step| **step == Step::Submit).count();
        assert_eq!(submits, attempt as usize, "attempt {attempt}");
    }
    worker.stop().await;
}
