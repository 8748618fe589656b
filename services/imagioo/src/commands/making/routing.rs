//! Where a generation may run, and how long it may take.

use imagioo_proto::generation::v1 as wire;

/// Where a generation may run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Terms")]
pub(crate) struct Routing {
    /// Make it in this region only, such as `eu`; may be given several times
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// Let another deployment of the model go on where one cannot
    #[arg(long)]
    fallback: bool,
    /// Let that one cost more; the dearest is held, what was used is charged
    #[arg(long, requires = "fallback")]
    dearer: bool,
    /// Run it on your own key at the provider, or on the operator's [default: your own where you have one]
    #[arg(long, value_name = "WHOSE")]
    key_source: Option<Whose>,
}

/// How long a generation may take.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// Give up unless it starts within so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..=2_592_000))]
    start_timeout: Option<i64>,
    /// Give up unless it ends within so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..=2_592_000))]
    timeout: Option<i64>,
}

/// Whose key at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Whose {
    Own,
    Operator,
}

impl Whose {
    const fn message(self) -> wire::KeySource {
        match self {
            Self::Own => wire::KeySource::Own,
            Self::Operator => wire::KeySource::Operator,
        }
    }
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

impl Routing {
    pub(in crate::commands) fn message(&self) -> Option<wire::Routing> {
        let asked = self.fallback || !self.region.is_empty() || self.key_source.is_some();
        asked.then(|| wire::Routing {
            regions: self.region.clone(),
            fallback: self.fallback,
            dearer: self.dearer,
            key_source: self.key_source.map_or(wire::KeySource::Unspecified, Whose::message).into(),
        })
    }
}

impl Limits {
    pub(super) fn start_timeout(&self) -> Option<prost_types::Duration> {
        self.start_timeout.map(seconds)
    }

    pub(super) fn timeout(&self) -> Option<prost_types::Duration> {
        self.timeout.map(seconds)
    }
}
