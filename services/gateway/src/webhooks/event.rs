//! What webhooks tell of.

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    /// A worker has begun.
    GenerationStarted,
    GenerationSucceeded,
    GenerationFailed,
    GenerationCancelled,
    /// Another endpoint of the same user was switched off by us.
    WebhookDisabled,
    /// The owner wants to see whether events arrive. Every endpoint receives it.
    WebhookTest,
}

/// A type of event that does not exist, or that cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such type of event")]
pub(crate) struct UnknownEvent;

impl EventType {
    /// Those that an endpoint may choose.
    pub(crate) const CHOICE: [Self; 5] = [
        Self::GenerationStarted,
        Self::GenerationSucceeded,
        Self::GenerationFailed,
        Self::GenerationCancelled,
        Self::WebhookDisabled,
    ];

    /// Those of an endpoint that chose none.
    pub(crate) const USUAL: [Self; 4] =
        [Self::GenerationSucceeded, Self::GenerationFailed, Self::GenerationCancelled, Self::WebhookDisabled];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GenerationStarted => "generation.started",
            Self::GenerationSucceeded => "generation.succeeded",
            Self::GenerationFailed => "generation.failed",
            Self::GenerationCancelled => "generation.cancelled",
            Self::WebhookDisabled => "webhook.disabled",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// A type by its name.
    pub(crate) fn parse(text: &str) -> Result<Self, UnknownEvent> {
        let all = Self::CHOICE.into_iter().chain([Self::WebhookTest]);
        all.into_iter().find(|event| event.as_str() == text).ok_or(UnknownEvent)
    }

    /// A type by its name, if endpoints may choose it.
    pub(crate) fn choose(text: &str) -> Result<Self, UnknownEvent> {
        Self::parse(text).ok().filter(|event| Self::CHOICE.contains(event)).ok_or(UnknownEvent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::State;

    /// As the statement that settles writes it.
    fn of_outcome(state: State) -> Result<EventType, UnknownEvent> {
        EventType::parse(&format!("generation.{}", state.as_str()))
    }

    #[test]
    fn every_outcome_is_an_event_under_the_name_of_its_state() {
        assert_eq!(of_outcome(State::Succeeded), Ok(EventType::GenerationSucceeded));
        assert_eq!(of_outcome(State::Failed), Ok(EventType::GenerationFailed));
        assert_eq!(of_outcome(State::Cancelled), Ok(EventType::GenerationCancelled));
        assert_eq!(of_outcome(State::Queued), Err(UnknownEvent));
    }

    #[test]
    fn names_read_back_and_the_test_event_cannot_be_chosen() {
        for event in EventType::CHOICE {
            assert_eq!(EventType::choose(event.as_str()), Ok(event));
        }
        assert_eq!(EventType::parse("webhook.test"), Ok(EventType::WebhookTest));
        assert_eq!(EventType::choose("webhook.test"), Err(UnknownEvent));
        assert_eq!(EventType::choose("generation.*"), Err(UnknownEvent));
    }
}
