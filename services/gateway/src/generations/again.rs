//! The same once more: an earlier generation as a new request.

use imagioo_picture::Settings;
use imagioo_rpc::Caller;
use imagioo_types::{Credits, GenerationId, ImageId};

use crate::app::App;
use crate::catalogue::{Asked, Consent, OwnKeys};
use crate::error::Error;
use crate::generation::Role;
use crate::generations::create::Create;
use crate::generations::inputs::Named;
use crate::generations::read;
use crate::presets::using::Wanted;

/// A call to run a generation again, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Again {
    pub(crate) id: GenerationId,
    pub(crate) request_id: String,
    pub(crate) body_hash: [u8; 32],
    /// Empty for the same model.
    pub(crate) model: String,
    pub(crate) keep_seed: bool,
    pub(crate) max_credits: Option<Credits>,
    pub(crate) consent: Consent,
}

/// The create call that repeats a generation of the caller.
pub(crate) async fn call(app: &App, caller: &Caller, again: Again) -> Result<Create, Error> {
    let earlier = read::get(app, caller, again.id).await?.generation;
    let named = |role: Role| {
        let inputs = earlier.inputs.iter().filter(move |input| input.role == role);
        inputs.map(|input| Named::Image(ImageId::from_uuid(input.image)))
    };
    let references: Vec<_> = named(Role::Reference).collect();
    let mask = named(Role::Mask).next();
    let seed = earlier.settings.seed.filter(|_| again.keep_seed);
    Ok(Create {
        request_id: again.request_id,
        body_hash: again.body_hash,
        asked: Asked {
            operation: Some(earlier.operation),
            settings: Settings { seed, ..earlier.settings },
            negative_prompt: earlier.wording.negative.is_some(),
            count: earlier.count,
            references: references.len(),
            sizes: Vec::new(),
            mask: mask.is_some(),
            consent: again.consent,
            own_keys: OwnKeys::default(),
        },
        model: if again.model.is_empty() { earlier.model } else { again.model },
        prompt: earlier.wording.prompt_text().to_owned(),
        negative_prompt: earlier.wording.negative_text().to_owned(),
        references,
        mask,
        parent: Some(again.id),
        max_credits: again.max_credits,
        start_within: None,
        end_within: None,
        preset: earlier.preset.and_then(|name| name.parse().ok()).map(Wanted::Repeated),
    })
}
