//! `generation.deployment_health`: how deployments are doing, as all replicas together see it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::config::Breaker;

/// What one replica saw of a deployment since it last told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) deployment: String,
    /// Whether a call worked.
    pub(crate) worked: bool,
    /// Calls that failed after the last one that worked.
    pub(crate) failures: i32,
    pub(crate) paused_until: Option<OffsetDateTime>,
    /// Why, if it failed or is to be left alone.
    pub(crate) reason: String,
}

/// A deployment of which something was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) deployment: String,
    pub(crate) failures: i32,
    /// When it was shut last.
    pub(crate) shut_at: Option<OffsetDateTime>,
    pub(crate) shut_until: Option<OffsetDateTime>,
    pub(crate) paused_until: Option<OffsetDateTime>,
    pub(crate) is_shut: bool,
    pub(crate) is_paused: bool,
    pub(crate) reason: String,
}

/// Makes room for deployments of which nothing was ever wrong.
pub(crate) async fn know(conn: &mut PgConnection, deployments: &[String]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.deployment_health (deployment)
           select deployment from unnest($1::text[]) as input (deployment) order by deployment
           on conflict (deployment) do nothing"#,
        deployments,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds what was seen of known deployments, each named once. Enough failures in a row shut a deployment; a failure while
/// it is tried shuts it for twice as long; a call that works opens it. What fails while it is shut was on its way before
/// and says nothing new.
pub(crate) async fn add(
    conn: &mut PgConnection,
    seen: &[Seen],
    breaker: &Breaker,
) -> Result<(), sqlx::Error> {
    let deployments: Vec<_> = seen.iter().map(|seen| seen.deployment.clone()).collect();
    let worked: Vec<_> = seen.iter().map(|seen| seen.worked).collect();
    let failures: Vec<_> = seen.iter().map(|seen| seen.failures).collect();
    let paused: Vec<_> = seen.iter().map(|seen| seen.paused_until).collect();
    let reasons: Vec<_> = seen.iter().map(|seen| seen.reason.clone()).collect();
    sqlx::query!(
        r#"with input as materialized (
               select * from unnest($1::text[], $2::bool[], $3::int[], $4::timestamptz[], $5::text[])
                   as input (deployment, worked, failures, paused_until, reason)
           ), known as materialized (
               select h.deployment, h.shut_until, h.shut_until > generation.clock_now() as is_shut,
                      case when input.worked then 0 else h.failures end + input.failures as failures,
                      case when input.worked then 0 else h.trips end as trips,
                      input.worked, input.failures as fresh, input.paused_until, input.reason
               from generation.deployment_health h join input using (deployment)
               order by h.deployment for update of h
           ), judged as (
               select *, fresh > 0 and is_shut is not true
                         and (failures >= $6 or (shut_until is not null and not worked)) as trip
               from known
           )
           update generation.deployment_health h set
               failures = case when judged.trip then 0 else judged.failures end,
               trips = judged.trips + case when judged.trip then 1 else 0 end,
               shut_at = case when judged.trip then generation.clock_now() else h.shut_at end,
               shut_until = case
                   when judged.trip
                   then generation.clock_now() + make_interval(secs => least($7 * 2 ^ least(judged.trips, 30), $8))
                   when judged.worked then null
                   else h.shut_until end,
               paused_until = greatest(h.paused_until, judged.paused_until),
               reason = case when judged.reason <> '' then judged.reason else h.reason end
           from judged where judged.deployment = h.deployment"#,
        &deployments,
        &worked,
        &failures,
        &paused as &[Option<OffsetDateTime>],
        &reasons,
        i32::try_from(breaker.failures).unwrap_or(i32::MAX),
        f64::from(breaker.shut_seconds),
        f64::from(breaker.shut_cap_seconds),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Every deployment of which something is wrong, or was.
pub(crate) async fn list(conn: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"select deployment, failures, shut_at, shut_until, paused_until, reason,
                  coalesce(shut_until > generation.clock_now(), false) as "is_shut!",
                  coalesce(paused_until > generation.clock_now(), false) as "is_paused!"
           from generation.deployment_health"#,
    )
    .fetch_all(conn)
    .await
}
