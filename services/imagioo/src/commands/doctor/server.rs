//! The server: whether it answers, takes the credentials, and has what is needed to make an image.

use imagioo_types::Clock;
use time::{Duration, OffsetDateTime};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Finding;
use crate::client::Client;
use crate::commands::{balance, models, whoami};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::credits;
use crate::profile::Tokens;

/// An access token is valid for at most this long, says the API.
const LONGEST_ACCESS: Duration = Duration::minutes(5);
/// Clocks that differ by less do no harm.
const TOLERANCE: Duration = Duration::seconds(30);

/// Looks at the server, as far as it lets us.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let anonymous = match context.anonymous() {
        Ok(client) => client,
        Err(failure) => return vec![Finding::of("server", &failure)],
    };
    let mut findings = Vec::from_iter(address(&anonymous));
    let answers = health(&anonymous).await;
    match &answers {
        Ok(()) => findings.push(Finding::ok("server", format!("{} answers", anonymous.server()))),
        Err(failure) => findings.push(unanswering(failure)),
    }
    if answers.is_ok() {
        findings.extend(account(context).await);
    }
    findings
}

fn address(client: &Client) -> Option<Finding> {
    let message = "passwords and images travel there unencrypted; use a tunnel or a private network";
    (!client.server().is_local()).then(|| Finding::warn("address", format!("{}: {message}", client.server())))
}

fn unanswering(failure: &Failure) -> Finding {
    match failure {
        Failure::Unreachable { .. } => {
            let advice = "start it with `imagioo serve`, or name another with `--server`";
            Finding::fail("server", format!("{failure}; {advice}"))
        }
        _ => Finding::of("server", failure),
    }
}

async fn health(client: &Client) -> Result<(), Failure> {
    let message = HealthCheckRequest { service: String::new() };
    let answer = client
        .call(message, async |channel, request| HealthClient::new(channel).check(request).await)
        .await?;
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(Failure::NotFound(format!(
            "{} is starting or stopping; try again in a moment",
            client.server()
        ))),
    }
}

/// What can be seen only with credentials.
async fn account(context: &Context) -> Vec<Finding> {
    let client = match context.client() {
        Ok(client) => client,
        Err(failure) => return vec![Finding::of("credentials", &failure)],
    };
    let mut findings = Vec::new();
    if let Some(session) = client.session() {
        match session.renew_now().await {
            Ok(tokens) => findings.push(clock(&tokens, context.clock.as_ref())),
            Err(failure) => return vec![Finding::of("credentials", &failure)],
        }
    }
    match whoami::me(&client).await {
        Ok(user) => findings.push(Finding::ok("credentials", format!("signed in as {}", user.email))),
        Err(failure) => return vec![Finding::of("credentials", &failure)],
    }
    findings.push(wallet(&client).await);
    findings.push(catalogue(&client).await);
    findings
}

async fn wallet(client: &Client) -> Finding {
    let name = "balance";
    match balance::get(client).await {
        Err(failure) => Finding::of(name, &failure),
        Ok(balance) if balance.debt > 0 => {
            Finding::warn(name, format!("{} owed; the next grants repay it", credits(balance.debt)))
        }
        Ok(balance) if balance.available == 0 => {
            Finding::warn(name, "no credits are left; `imagioo balance --statement` shows where they went")
        }
        Ok(balance) => Finding::ok(name, credits(balance.available)),
    }
}

async fn catalogue(client: &Client) -> Finding {
    let name = "models";
    match models::all(client).await {
        Err(failure) => Finding::of(name, &failure),
        Ok(catalogue) if catalogue.models.is_empty() => {
            Finding::fail(name, "the catalogue is empty; its operator must add a model")
        }
        Ok(catalogue) => Finding::ok(name, format!("{} in the catalogue", catalogue.models.len())),
    }
}

fn clock(fresh: &Tokens, clock: &dyn Clock) -> Finding {
    let name = "clock";
    match skew(fresh.access_expires, clock.now()) {
        Some(skew) => {
            let seconds = skew.whole_seconds();
            Finding::warn(
                name,
                format!("this machine and the server differ by at least {seconds} s; set the clock"),
            )
        }
        None => Finding::ok(name, "this machine and the server agree"),
    }
}

/// How far the clocks are apart at least, by the expiry of a token that was issued just now.
fn skew(expires: OffsetDateTime, now: OffsetDateTime) -> Option<Duration> {
    let (earliest, latest) = (expires - LONGEST_ACCESS, expires);
    let skew = if now < earliest { earliest - now } else { now - latest };
    (skew > TOLERANCE).then_some(skew)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn clocks_are_compared_by_a_fresh_token() {
        let expires = datetime!(2026-01-01 12:05 UTC);
        assert_eq!(skew(expires, datetime!(2026-01-01 12:00 UTC)), None);
        assert_eq!(skew(expires, datetime!(2026-01-01 11:59:45 UTC)), None);
        assert_eq!(skew(expires, datetime!(2026-01-01 11:55 UTC)), Some(Duration::minutes(5)));
        assert_eq!(skew(expires, datetime!(2026-01-01 12:15 UTC)), Some(Duration::minutes(10)));
    }
}
