//! What is true of the database at every instant, and what must be true besides when nothing is left to do.

use std::collections::{HashMap, HashSet};

use imagioo_types::GenerationId;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Billing, Settled, eventually};

/// Each statement lists what breaks a law.
const LAWS: &[(&str, &str)] = &[
    (
        "a user's counters are the number of their generations",
        "select format('%s %s: queued %s is %s, in flight %s is %s',
                       owner, queue, u.queued, g.queued, u.in_flight, g.in_flight)
         from generation.dispatch_users u
         full join (
             select owner, deployment as queue, count(*) filter (where state = 'queued') as queued,
                    count(*) filter (where state in ('dispatched', 'running')) as in_flight
             from generation.generations where state <> 'void' group by owner, deployment
         ) g using (owner, queue)
         where u.queued is distinct from coalesce(g.queued, 0)
            or u.in_flight is distinct from coalesce(g.in_flight, 0)",
    ),
    (
        "nobody has more under way than allowed",
        "select format('%s %s: %s of %s', owner, queue, in_flight, cap)
         from generation.dispatch_users where in_flight > cap",
    ),
    (
        "what is queued waits in the backlog, and nothing else does",
        "select format('%s: %s, attempt %s is %s', generation, g.state, g.attempt, b.attempt)
         from (select id as generation, owner, deployment, state, attempt, not_before
               from generation.generations where state = 'queued') g
         full join generation.backlog b using (generation)
         where (g.owner, g.deployment, g.attempt) is distinct from (b.owner, b.queue, b.attempt)
            or g.not_before is distinct from b.not_before",
    ),
    (
        "images belong to generations that succeeded, and those have some",
        "select format('%s: %s with %s images', id, state, delivered)
         from (select id, state, (select count(*) from generation.images i where i.generation = g.id) as delivered
               from generation.generations g) counted
         where (state = 'succeeded') <> (delivered > 0)",
    ),
    (
        "an image is its generation's owner's",
        "select format('%s', i.id) from generation.images i
         join generation.generations g on g.id = i.generation where i.owner <> g.owner or i.index >= g.count",
    ),
    (
        "a webhook tells its owner of the outcome that stands",
        "select format('%s: %s of %s', d.event, d.type, g.state)
         from generation.webhook_deliveries d
         join generation.webhook_endpoints e on e.id = d.endpoint
         left join generation.generations g on g.id = d.generation
         where d.owner <> e.owner or g.owner <> d.owner
            or (d.type like 'generation.%' and d.type not in ('generation.started', 'generation.' || g.state))",
    ),
    (
        "what was delivered is charged, and nothing else is",
        "select format('%s: charge %s', id, charge) from generation.generations g
         where charge is distinct from case when state in ('succeeded', 'failed', 'cancelled') then
                   coalesce((select (stop ->> 'credits')::bigint from jsonb_array_elements(route) stop
                             where stop ->> 'deployment' = deployment), price / count)
                   * (select count(*) from generation.images i where i.generation = g.id) end",
    ),
    (
        "who runs holds a lease under an epoch, and nobody else has one",
        "select format('%s: %s', id, state) from generation.generations
         where (state = 'running') <> (lease_until is not null) or (state = 'running' and worker is null)
            or (state = 'running' and epoch = 0) or (state in ('queued', 'dispatched') and epoch > 0)
            or (state = 'dispatched') <> (dispatched_at is not null and state <> 'running')",
    ),
];

/// Fails on the first law that is broken.
pub async fn hold(pool: &PgPool) {
    for (law, breaches) in LAWS {
        let found: Vec<String> = sqlx::query_scalar(*breaches).fetch_all(pool).await.expect(law);
        assert!(found.is_empty(), "broken: {law}\n{}", found.join("\n"));
    }
}

/// Fails unless every generation has its outcome, the outbox is empty, every law holds, and billing was told of each
/// outcome what the row says. Returns all that it was told.
pub async fn at_rest(pool: &PgPool, billing: &Billing) -> Settled {
    eventually("the outbox is empty", async || {
        let waiting: i64 = sqlx::query_scalar("select count(*) from generation.outbox")
            .fetch_one(pool)
            .await
            .expect("counted");
        waiting == 0
    })
    .await;
    hold(pool).await;
    let rows: Vec<(Uuid, String, Option<i64>)> =
        sqlx::query_as("select id, state, charge from generation.generations where state <> 'void'")
            .fetch_all(pool)
            .await
            .expect("rows");
    let open: Vec<_> = rows.iter().filter(|(_, _, charge)| charge.is_none()).collect();
    assert!(open.is_empty(), "work remains: {open:?}");
    eventually("billing has heard of every outcome", async || {
        let heard: HashSet<_> = billing.settled().0.into_iter().map(|settled| settled.generation).collect();
        heard.len() >= rows.len()
    })
    .await;
    let settled = billing.settled();
    let mut told = HashMap::new();
    for settled in &settled.0 {
        let earlier = told.insert(settled.generation.clone(), settled.charge);
        assert!(earlier.is_none_or(|earlier| earlier == settled.charge), "told two outcomes: {settled:?}");
    }
    let expected: HashMap<_, _> = rows
        .iter()
        .map(|(id, _, charge)| (GenerationId::from_uuid(*id).name(), charge.unwrap_or(-1)))
        .collect();
    assert_eq!(told, expected, "billing was told every outcome and nothing else");
    let holds = billing.holds();
    for name in expected.keys() {
        assert!(holds.iter().any(|hold| hold.generation == *name), "{name} was never paid for");
    }
    settled
}
