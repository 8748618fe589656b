//! The named points of a generation's life, and whose they are.

/// A place at which one process dies.
pub struct Point {
    pub part: &'static str,
    pub name: &'static str,
}

macro_rules! points {
    ($($part:literal: $($name:literal)*;)*) => {
        pub const POINTS: &[Point] = &[$($(Point { part: $part, name: $name },)*)*];
    };
}

points! {
    "gateway-1":
        "gateway.create.before_hold" "gateway.create.after_hold" "gateway.create.before_answer"
        "gateway.insert.before_commit" "gateway.insert.after_commit"
        "gateway.offer.before_publish" "gateway.offer.after_publish" "gateway.dispatch.after_claim"
        "gateway.start.before_commit" "gateway.start.after_commit" "gateway.renew.before_commit"
        "gateway.record.after_commit"
        "gateway.finish.before_manifest" "gateway.settle.before_commit" "gateway.settle.after_commit"
        "gateway.finish.before_ack"
        "relay.claim.after" "relay.publish.before" "relay.publish.after" "relay.forget.before" "relay.forget.after";
    "worker-1":
        "worker.start.before" "worker.start.after" "worker.ack.after" "worker.call.before" "worker.call.after"
        "worker.image.before_store" "worker.image.after_store" "worker.manifest.before" "worker.manifest.after"
        "worker.announce.after" "worker.renew.before";
    "billing":
        "billing.hold.before" "billing.hold.after" "billing.ledger.before_commit" "billing.ledger.after_commit"
        "billing.settle.before" "billing.settle.before_ack" "billing.grant.before" "billing.grant.before_ack"
        "billing.sweep.after_claim" "billing.sweep.after_answer";
    "account":
        "account.sign_up.before_commit" "account.sign_up.after_commit" "account.key.before_commit"
        "account.key.after_commit" "account.exchange.before" "account.exchange.after"
        "relay.claim.after" "relay.publish.before" "relay.publish.after" "relay.forget.before" "relay.forget.after";
}

/// A point that no scenario visits proves nothing.
#[test]
fn r31_every_point_in_the_code_is_visited() {
    let services = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = std::collections::BTreeSet::new();
    collect(&services, &mut found);
    let mut visited: std::collections::BTreeSet<_> =
        POINTS.iter().map(|point| point.name.to_owned()).collect();
    // No part of a job; item 39 dies there.
    visited.insert("queue.replay.before_ack".to_owned());
    assert_eq!(found, visited);
}

fn collect(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("points.rs")
        {
            let text = std::fs::read_to_string(&path).expect("text");
            let marks = text.split("fail_point!(\"").skip(1);
            found.extend(
                marks
                    .filter_map(|mark| mark.split('"').next())
                    .filter(|name| !name.contains("place.moment"))
                    .map(str::to_owned),
            );
        }
    }
}
