//! What a preset says: the options of whoever saves one.

use imagioo_proto::generation::v1::{ImageFormat, Preset};

use crate::commands::making::Format;
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
    /// File format
    #[arg(long)]
    format: Option<Format>,
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
            settings: Some(
                self.style.settings(
                    self.format.map_or(ImageFormat::Unspecified, Into::into),
                    self.purpose.settings(),
                ),
            ),
            template: self.template.clone(),
            ..Preset::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        content: Content,
    }

    #[test]
    fn a_preset_may_say_which_format() {
        let format = |arguments: &[&str]| {
            let line = Line::try_parse_from(["save"].iter().chain(arguments)).expect("valid");
            line.content.preset("p").settings.expect("settings").format()
        };
        assert_eq!(format(&["--format", "webp"]), ImageFormat::Webp);
        assert_eq!(format(&[]), ImageFormat::Unspecified);
    }
}
