//! A client of imagioo: generations for the users in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imagioo_proto::generation::v1::CreateGenerationRequest;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_stack::User;
use uuid::Uuid;

use crate::load::driver::Submit;

/// With the 32 digits after it a prompt has 80 bytes.
const PROMPT: &str = "a red fox in a snowy forest at dawn, in oil, no ";

/// Counts what was accepted, for whoever must not let too much be open.
pub(crate) type Accepted = Arc<AtomicU64>;

/// One closed loop's client. It tries every submit once.
#[derive(Debug, Clone)]
pub(crate) struct Submitter {
    turns: Turns,
    accepted: Accepted,
}

/// The users in turn: client `n` of `c` begins with user `n` and goes on with the `c`th after it.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    users: Arc<[User]>,
    next: usize,
    clients: usize,
}

impl Turns {
    /// One for each of so many clients.
    pub(crate) fn shared(users: &Arc<[User]>, clients: usize) -> Vec<Self> {
        (0..clients).map(|next| Self { users: Arc::clone(users), next, clients }).collect()
    }

    /// Whose turn it is, with the user's place.
    pub(crate) fn next(&mut self) -> (usize, User) {
        let place = self.next % self.users.len();
        self.next += self.clients;
        (place, self.users[place].clone())
    }
}

impl Submitter {
    /// So many clients for these users.
    pub(crate) fn several(users: &Arc<[User]>, clients: usize, accepted: &Accepted) -> Vec<Self> {
        let turns = Turns::shared(users, clients).into_iter();
        turns.map(|turns| Self { turns, accepted: Arc::clone(accepted) }).collect()
    }
}

impl Submit for Submitter {
    async fn submit(&mut self) -> anyhow::Result<()> {
        let (_, user) = self.turns.next();
        let mut gateway = GenerationServiceClient::new(user.channel());
        gateway.create_generation(user.says(wanted())?).await?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A generation that nobody asked for before.
pub(crate) fn wanted() -> CreateGenerationRequest {
    let id = Uuid::now_v7();
    CreateGenerationRequest {
        request_id: id.to_string(),
        model: "models/bench".to_owned(),
        prompt: format!("{PROMPT}{}", id.simple()),
        ..CreateGenerationRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_unique_and_have_80_bytes() {
        let (one, other) = (wanted(), wanted());
        assert_eq!((one.prompt.len(), other.prompt.len()), (80, 80));
        assert_ne!(one.prompt, other.prompt);
    }
}
