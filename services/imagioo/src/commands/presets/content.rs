//! What a preset says: the options of whoever saves one.

use imagioo_proto::generation::v1::{ImageFormat, Preset};

use crate::commands::making::purpose::Purpose;
use crate::commands::making::settings::Style;
use crate::names;

/// What a preset says.
#[derive(Debug, clap::Args)]
pub(crate) struct Content {
    /// What people read in lists; without it the name
    #[arg(long)]
    title: Option<String>,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// The model; without it whoever uses the preset names one
    #[arg(long, short)]
    model: Option<String>,
    /// Words around the prompt, such as "{prompt}, oil on canvas"
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    template: String,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    purpose: Purpose,
}

impl Content {
    /// The preset; without a title it has its name for one.
    pub(in crate::commands) fn preset(&self, id: &str) -> Preset {
        Preset {
            title: self.title.clone().unwrap_or_else(|| id.to_owned()),
            description: self.description.clone(),
            model: self.model.as_deref().map(names::model).unwrap_or_default(),
            operation: self.purpose.operation().into(),
            settings: Some(self.style.settings(ImageFormat::Unspecified, self.purpose.settings())),
            template: self.template.clone(),
            ..Preset::default()
        }
    }
}
