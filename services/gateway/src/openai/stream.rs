//! Answers as server-sent events: partial images while it is drawn, then each image when all are done.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use http::HeaderValue;
use imagioo_picture::{Format, Settings};
use imagioo_proto::generation::v1::ImageFormat;
use imagioo_types::Credits;
use serde_json::{Value, json};

use super::answer::{self, Usage};
use super::base64;
use super::call::Kind;
use super::follow::{Following, Step};
use super::refusal::Refusal;
use crate::generation::Image;
use crate::generations::read::Whole;
use crate::watchers::Preview;

/// A comment after so much silence keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows a generation and tells it as events.
struct Telling {
    following: Following,
    kind: Kind,
    /// Partial images of each image that are wanted, and how many were shown.
    partials: i32,
    shown: HashMap<i32, i32>,
    settings: Settings,
    /// What is left to show of the outcome.
    images: VecDeque<Image>,
    ended_at: i64,
    usage: Usage,
    is_over: bool,
}

/// The events of a generation, from its acceptance on.
pub(super) fn answer(following: Following, kind: Kind, partials: i32) -> Response {
    let id = following.id;
    let telling = Telling {
        following,
        kind,
        partials,
        shown: HashMap::new(),
        settings: Settings::default(),
        images: VecDeque::new(),
        ended_at: 0,
        usage: Usage::of(0),
        is_over: false,
    };
    let events = stream::unfold(telling, async |mut telling| {
        let event = telling.next().await?;
        Some((Ok::<_, Infallible>(event), telling))
    });
    let mut answer = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // Proxies of the nginx kind would hold events back otherwise.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer::about(id, answer)
}

impl Telling {
    async fn next(&mut self) -> Option<Event> {
        while !self.is_over {
            match self.step().await {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(refusal) => {
                    self.is_over = true;
                    return Some(event("error", json!({ "type": "error", "error": refusal.json() })));
                }
            }
        }
        None
    }

    async fn step(&mut self) -> Result<Option<Event>, Refusal> {
        if let Some(image) = self.images.pop_front() {
            self.is_over = self.images.is_empty();
            return self.completed(image).await.map(Some);
        }
        match self.following.next().await? {
            Step::Changed(whole) => {
                self.settings = whole.generation.settings;
                Ok(None)
            }
            Step::Preview(preview) => Ok(self.partial(&preview)),
            Step::Delivered(whole) => {
                let Whole { generation, images } = *whole;
                self.ended_at = answer::ended_at(&generation);
                let each = generation.charge.map(Credits::get).unwrap_or_default();
                self.usage = Usage::of(each / i64::try_from(images.len()).unwrap_or(1).max(1));
                self.settings = generation.settings;
                self.images = images.into();
                Ok(None)
            }
        }
    }

    /// A picture of an unfinished image, if one is wanted.
    fn partial(&mut self, preview: &Preview) -> Option<Event> {
        let format = ImageFormat::try_from(preview.format).ok().and_then(Format::of_message)?;
        let shown = self.shown.entry(preview.index).or_default();
        if *shown >= self.partials {
            return None;
        }
        let size = self.settings.size.map_or_else(|| "auto".to_owned(), |size| size.to_string());
        let data = json!({
            "b64_json": base64::encode(&preview.data),
            "created_at": self.following.door.app.clock.now().unix_timestamp(),
            "partial_image_index": *shown,
            "size": size,
            "output_format": format.as_str(),
        });
        *shown += 1;
        Some(self.event("partial_image", data))
    }

    async fn completed(&self, image: Image) -> Result<Event, Refusal> {
        let data = json!({
            "b64_json": answer::text(&self.following.door, &image).await?,
            "created_at": self.ended_at,
            "size": format!("{}x{}", image.width, image.height),
            "output_format": image.format.as_str(),
            "usage": self.usage,
        });
        Ok(self.event("completed", data))
    }

    /// An event with what all of them say.
    fn event(&self, what: &str, mut data: Value) -> Event {
        let prefix = if self.kind == Kind::Edit { "image_edit" } else { "image_generation" };
        let name = format!("{prefix}.{what}");
        data["type"] = json!(name);
        data["quality"] = json!(self.settings.quality.as_deref().unwrap_or("auto"));
        data["background"] = json!(self.settings.background.map_or("auto", |background| background.as_str()));
        event(&name, data)
    }
}

fn event(name: &str, data: Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
