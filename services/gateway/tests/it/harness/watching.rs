//! A watch of everything that somebody has.

use std::collections::HashMap;

use imagioo_proto::generation::v1::{
    Generation, GenerationState, WatchGenerationsRequest, WatchGenerationsResponse,
};
use imagioo_rpc::RpcError;
use tonic::Streaming;

use super::{User, within};

/// What a client would keep of the stream.
pub struct WatchingAll {
    steps: Streaming<WatchGenerationsResponse>,
    /// The newest copy of everything that was shown.
    pub shown: HashMap<String, Generation>,
    pub cursor: String,
}

impl User {
    pub async fn watch_all(&self, cursor: &str) -> WatchingAll {
        self.try_watch_all(cursor).await.expect("watched")
    }

    pub async fn try_watch_all(&self, cursor: &str) -> Result<WatchingAll, RpcError> {
        let request = self.says(WatchGenerationsRequest { cursor: cursor.to_owned() });
        let steps = within("an answer", self.generations().watch_generations(request)).await?.into_inner();
        Ok(WatchingAll { steps, shown: HashMap::new(), cursor: cursor.to_owned() })
    }
}

impl WatchingAll {
    /// The next step. Versions never go back.
    pub async fn next(&mut self) -> Result<WatchGenerationsResponse, RpcError> {
        let step = within("a step", self.steps.message()).await?.expect("the stream has no end");
        if let Some(generation) = &step.generation {
            let earlier = self.shown.insert(generation.name.clone(), generation.clone());
            assert!(
                earlier.is_none_or(|earlier| earlier.version <= generation.version),
                "a version went back"
            );
        }
        if !step.cursor.is_empty() {
            self.cursor.clone_from(&step.cursor);
        }
        Ok(step)
    }

    /// Everything up to the next cursor was shown.
    pub async fn until_a_cursor(&mut self) {
        while self.next().await.expect("no error").cursor.is_empty() {}
    }

    /// The generation as soon as it was shown like this.
    pub async fn until(&mut self, name: &str, is_so: impl Fn(&Generation) -> bool) -> Generation {
        let shown = async {
            loop {
                if let Some(generation) = self.shown.get(name).filter(|generation| is_so(generation)) {
                    return generation.clone();
                }
                self.next().await.expect("no error");
            }
        };
        within("a generation like this", shown).await
    }

    pub async fn until_state(&mut self, name: &str, state: GenerationState) -> Generation {
        self.until(name, |generation| generation.state() == state).await
    }
}
