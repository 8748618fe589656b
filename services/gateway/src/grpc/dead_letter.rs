//! `imagioo.queue.v1.DeadLetterAdminService`, for the operator.

use imagioo_proto::account::v1::AccountVerified;
use imagioo_proto::jobs::v1::{GenerationFinished, GenerationReady, GenerationSettled};
use imagioo_proto::queue::v1 as wire;
use imagioo_proto::queue::v1::dead_letter_admin_service_server::DeadLetterAdminService;
use imagioo_queue::{DeadLetter, Message, Payload, Queue, QueueError, Selection};
use imagioo_rpc::{Code, RpcError, page, validated};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert::timestamp;

/// What could not be handled, of every service: they share the dead letters.
pub(crate) struct DeadLetters {
    pub(crate) queue: Queue,
}

#[tonic::async_trait]
impl DeadLetterAdminService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let message = validated(request.into_inner())?;
        let limit = usize::try_from(page::size(message.page_size)).unwrap_or_default();
        let mut letters = self.queue.dead_letters().await.map_err(told)?;
        letters.retain(|letter| message.queue.is_empty() || letter.queue == message.queue);
        let begin = page::decode(&message.page_token)?.map_or(0, |told| after(&told, &letters));
        let shown = &letters[begin..letters.len().min(begin + limit)];
        let next = match shown.last() {
            Some(last) if begin + limit < letters.len() => page::encode(&(last.message.id, begin + limit))?,
            _ => String::new(),
        };
        Ok(Response::new(wire::ListDeadLettersResponse {
            total_size: i32::try_from(letters.len()).unwrap_or(i32::MAX),
            dead_letters: shown.iter().map(self::shown).collect(),
            next_page_token: next,
        }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<wire::GetDeadLetterRequest>,
    ) -> Result<Response<wire::GetDeadLetterResponse>, Status> {
        let message = validated(request.into_inner())?;
        let id = id(&message.name, "name")?;
        let letters = self.queue.dead_letters().await.map_err(told)?;
        let found = letters.iter().find(|letter| letter.message.id == id).ok_or_else(nothing)?;
        Ok(Response::new(wire::GetDeadLetterResponse { dead_letter: Some(shown(found)) }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<wire::ReplayDeadLettersRequest>,
    ) -> Result<Response<wire::ReplayDeadLettersResponse>, Status> {
        let message = validated(request.into_inner())?;
        let selection = selection(message.selection)?;
        let replayed = self.queue.replay(&selection).await.map_err(told)?;
        tracing::warn!(count = replayed.len(), ?selection, "dead letters replayed");
        Ok(Response::new(wire::ReplayDeadLettersResponse { dead_letters: some(&selection, &replayed)? }))
    }

    async fn drop_dead_letters(
        &self,
        request: Request<wire::DropDeadLettersRequest>,
    ) -> Result<Response<wire::DropDeadLettersResponse>, Status> {
        let message = validated(request.into_inner())?;
        let selection = selection(message.selection)?;
        let dropped = self.queue.forget(&selection).await.map_err(told)?;
        tracing::warn!(count = dropped.len(), ?selection, "dead letters dropped");
        Ok(Response::new(wire::DropDeadLettersResponse { dead_letters: some(&selection, &dropped)? }))
    }
}

/// Where the page after a token begins: behind the letter that was the last one, or where that would be if it is gone.
fn after((last, place): &(Uuid, usize), letters: &[DeadLetter]) -> usize {
    let found = letters.iter().position(|letter| letter.message.id == *last);
    found.map_or(place.saturating_sub(1).min(letters.len()), |found| found + 1)
}

/// A letter without its body.
fn shown(letter: &DeadLetter) -> wire::DeadLetter {
    let DeadLetter { queue, message, attempts, reason, given_up_at } = letter;
    wire::DeadLetter {
        name: format!("deadLetters/{}", message.id),
        queue: queue.clone(),
        message_type: message.name.clone(),
        subject: subject(message).unwrap_or_default(),
        attempts: i32::try_from(*attempts).unwrap_or(i32::MAX),
        reason: reason.clone(),
        give_up_time: given_up_at.map(timestamp),
        size_bytes: i64::try_from(message.body.len()).unwrap_or(i64::MAX),
        trace_parent: message.trace.clone().unwrap_or_default(),
    }
}

/// What a message is about, if it is one of ours.
fn subject(message: &Message) -> Option<String> {
    match message.name.as_str() {
        GenerationFinished::NAME => Some(message.decode::<GenerationFinished>().ok()?.generation),
        GenerationSettled::NAME => Some(message.decode::<GenerationSettled>().ok()?.generation),
        GenerationReady::NAME => Some(message.decode::<GenerationReady>().ok()?.generation),
        AccountVerified::NAME => Some(message.decode::<AccountVerified>().ok()?.user),
        _ => None,
    }
}

/// What was done; a name or a queue that means nothing is a mistake.
fn some(selection: &Selection, letters: &[DeadLetter]) -> Result<Vec<wire::DeadLetter>, RpcError> {
    if letters.is_empty() && *selection != Selection::All {
        return Err(nothing());
    }
    Ok(letters.iter().map(shown).collect())
}

fn selection(message: Option<wire::DeadLetterSelection>) -> Result<Selection, RpcError> {
    use wire::dead_letter_selection::Selection::{All, Name, Queue};
    match message.and_then(|message| message.selection) {
        Some(Name(name)) => Ok(Selection::Message(id(&name, "selection.name")?)),
        Some(Queue(queue)) if !queue.is_empty() => Ok(Selection::Queue(queue)),
        Some(All(true)) => Ok(Selection::All),
        _ => Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("selection", "must name a dead letter or a queue, or be `all: true`")),
    }
}

fn id(name: &str, field: &'static str) -> Result<Uuid, RpcError> {
    let id = name.strip_prefix("deadLetters/").and_then(|id| Uuid::try_parse(id).ok());
    id.ok_or_else(|| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field(field, "must be the name of a dead letter, `deadLetters/…`")
    })
}

fn nothing() -> RpcError {
    RpcError::not_found("dead letter")
}

fn told(error: QueueError) -> RpcError {
    RpcError::new(
        Code::Unavailable,
        "the message broker did not take part; what was not done can be done again",
    )
    .caused_by(error)
}
