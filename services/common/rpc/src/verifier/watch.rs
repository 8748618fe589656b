//! Follows the account service's deny list for as long as the process lives.

use std::time::Duration;

use imagioo_proto::account::v1::identity_service_client::IdentityServiceClient;
use imagioo_proto::account::v1::watch_revocations_response::Event;
use imagioo_proto::account::v1::{WatchRevocationsRequest, revocation};
use imagioo_runtime::Shutdown;
use imagioo_types::{ApiKeyId, InvalidName, SessionId, UserId};
use time::OffsetDateTime;

use crate::{Channel, Revocation, Revocations, RpcError, Subject};

const RECONNECT: Duration = Duration::from_millis(500);
/// The service beats every second; a stream that is silent for longer than this is dead.
const DEAD: Duration = Duration::from_secs(5);

pub(super) async fn follow(
    client: IdentityServiceClient<Channel>,
    revocations: Revocations,
    shutdown: Shutdown,
) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            ended = stream(client.clone(), &revocations) => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "deny list stream ended");
                }
            }
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(RECONNECT) => {}
        }
    }
}

async fn stream(
    mut client: IdentityServiceClient<Channel>,
    revocations: &Revocations,
) -> Result<(), RpcError> {
    let mut events = client.watch_revocations(WatchRevocationsRequest {}).await?.into_inner();
    loop {
        let next = tokio::time::timeout(DEAD, events.message()).await.map_err(RpcError::internal)?;
        let Some(response) = next? else { return Ok(()) };
        match response.event {
            Some(Event::Snapshot(snapshot)) => {
                let all = snapshot.revocations.iter().map(read).collect::<Result<Vec<_>, _>>();
                revocations.replace(all.map_err(RpcError::internal)?);
            }
            Some(Event::Revocation(one)) => revocations.add(read(&one).map_err(RpcError::internal)?),
            Some(Event::Heartbeat(_)) => revocations.touch(),
            None => {}
        }
    }
}

fn read(entry: &imagioo_proto::account::v1::Revocation) -> Result<Revocation, InvalidName> {
    let missing = || InvalidName { expected: "a subject and a time" };
    let subject = match entry.subject.as_ref().ok_or_else(missing)? {
        revocation::Subject::Session(name) => Subject::Session(SessionId::from_name(name)?),
        revocation::Subject::ApiKey(name) => Subject::ApiKey(ApiKeyId::from_name(name)?),
        revocation::Subject::User(name) => Subject::User(UserId::from_name(name)?),
    };
    let time = entry.revoke_time.ok_or_else(missing)?;
    let revoked_at = OffsetDateTime::from_unix_timestamp(time.seconds).map_err(|_| missing())?
        + time::Duration::nanoseconds(i64::from(time.nanos));
    Ok(Revocation { subject, revoked_at })
}
