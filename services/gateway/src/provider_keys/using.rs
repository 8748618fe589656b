//! What a caller's own keys mean for a request that is about to be priced.

use imagioo_rpc::Caller;

use super::manage;
use crate::app::App;
use crate::catalogue::{Catalogue, KeySource, Model, OwnKeys, Standing};
use crate::error::Error;

/// The caller's own keys at the providers of a model. Most models run where none is taken: then nothing is looked up.
pub(crate) async fn usable(
    app: &App,
    caller: &Caller,
    (catalogue, model): (&Catalogue, &Model),
    source: KeySource,
) -> Result<OwnKeys, Error> {
    let takes = |provider: &String| catalogue.own_keys.contains_key(provider);
    let concerned = model.deployments.iter().any(|deployment| takes(&deployment.provider));
    if !concerned || source == KeySource::Operator {
        return Ok(OwnKeys::default());
    }
    let keys = manage::list(app, caller).await?;
    let standing = |provider: &str| match keys.iter().find(|key| key.provider == provider) {
        None => Standing::Missing,
        Some(key) if key.rejected.is_some() => Standing::Rejected,
        Some(_) => Standing::Active,
    };
    Ok(OwnKeys::of(&catalogue.own_keys, model, standing))
}
