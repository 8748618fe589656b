//! `generation.run_times`: how long the last generations of each deployment ran.

use sqlx::PgConnection;

/// What the last run times of a deployment come to, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunTimes {
    pub(crate) deployment: String,
    pub(crate) mean: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
    /// How many there are.
    pub(crate) samples: i32,
}

/// Adds measured times: deployment and seconds.
pub(crate) async fn add(conn: &mut PgConnection, rows: Vec<(String, f64)>) -> Result<(), sqlx::Error> {
    let (deployments, seconds): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    sqlx::query!(
        r#"insert into generation.run_times (deployment, seconds)
           select deployment, greatest(seconds, 0) from unnest($1::text[], $2::float8[]) as input (deployment, seconds)"#,
        &deployments,
        &seconds,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes all but the last times of these deployments.
pub(crate) async fn forget_all_but(
    conn: &mut PgConnection,
    deployments: &[String],
    last: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"delete from generation.run_times t
           using unnest($1::text[]) as asked (deployment)
           where t.deployment = asked.deployment
             and t.id <= (
                 select id from generation.run_times
                 where deployment = asked.deployment order by id desc offset $2 limit 1
             )"#,
        deployments,
        last,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last times of these deployments, summed up; nothing for one that has none.
pub(crate) async fn of(
    conn: &mut PgConnection,
    deployments: &[String],
    last: i64,
) -> Result<Vec<RunTimes>, sqlx::Error> {
    sqlx::query_as!(
        RunTimes,
        r#"select asked.deployment as "deployment!", avg(t.seconds) as "mean!",
                  percentile_cont(0.5) within group (order by t.seconds) as "median!",
                  percentile_cont(0.9) within group (order by t.seconds) as "p90!",
                  count(*)::int as "samples!"
           from unnest($1::text[]) as asked (deployment)
           cross join lateral (
               select seconds from generation.run_times
               where deployment = asked.deployment order by id desc limit $2
           ) t
           group by asked.deployment"#,
        deployments,
        last,
    )
    .fetch_all(conn)
    .await
}
