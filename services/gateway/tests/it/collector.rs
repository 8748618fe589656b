//! Objects that nothing names go away, late enough to be sure of that.

use bytes::Bytes;
use imagioo_proto::jobs::v1::Complete;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_storage::ObjectKey;
use imagioo_types::{GenerationId, UserId};
use time::Duration;

use crate::harness::{App, eventually};

const DAY: Duration = Duration::hours(25);

#[tokio::test]
async fn r47_only_orphans_of_what_ended_a_day_ago_are_removed() {
    let app = App::with("timing.collect_seconds = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    ada.create("a fox").await;
    let job = worker.job().await;
    let (image, _orphan) = (job.store(0).await, job.store(5).await);
    assert!(job.conclude(vec![image], Ending::Complete(Complete {})).await);
    job.announce().await;
    ada.create("a wolf").await;
    let open = worker.job().await;
    open.store(0).await;

    let there = async |key: &ObjectKey| app.storage.head(key).await.expect("the store answers").is_some();
    let stray = async || {
        let key = ObjectKey::image(UserId::generate(), GenerationId::generate(), 1, 1, 0);
        app.storage.create(&key, Bytes::from_static(b"stray")).await.expect("stored");
        key
    };
    // The objects are a day old, but their generations are not.
    app.clock.advance(DAY);
    let signal = stray().await;
    eventually("objects of nothing are removed", async || !there(&signal).await).await;
    for key in [job.key(0), job.key(5), job.manifest_key(), open.key(0)] {
        assert!(there(&key).await, "{key} was removed too early");
    }

    app.shift(DAY).await;
    eventually("orphans are removed", async || !there(&job.key(5)).await).await;
    let signal = stray().await;
    eventually("a whole round has passed", async || !there(&signal).await).await;
    assert!(there(&job.key(0)).await, "an image stays");
    assert!(!there(&job.manifest_key()).await, "a manifest has served");
    assert!(there(&open.key(0)).await, "its generation ended just now, overdue");

    eventually("it has ended", async || app.state(&open.job.generation).await == "failed").await;
    app.shift(DAY).await;
    eventually("they too, a day later", async || !there(&open.key(0)).await).await;
    let ada = app.signed_in_again(&ada);
    let image = &ada.list_images(10, "").await.expect("listed").images[0];
    assert_eq!(
        ada.download(&image.name, 0).await.expect("still there").1.concat().len() as i64,
        image.size_bytes
    );
    app.ends_clean().await;
}
