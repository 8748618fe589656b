//! Why images are missing: one table of stable reasons with a sentence for people each.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $sentence:literal;)*) => {
        /// A stable reason, shown to clients and kept in manifests.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// The reason in capitals, part of the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One sentence for people. Says nothing a provider wrote.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// Refused, as input or output.
    ContentPolicy => "CONTENT_POLICY", "the provider refused the content";
    /// The time for the whole generation is over.
    DeadlineExceeded => "DEADLINE_EXCEEDED", "the generation was not done in time";
    /// The job asks for something the provider's adapter cannot do.
    SettingUnsupported => "SETTING_UNSUPPORTED", "the provider cannot make images with these settings";
    /// A picture that the job starts from was deleted meanwhile.
    InputGone => "INPUT_GONE", "a picture to start from was deleted";
    /// A picture that the job starts from cannot be turned into what the provider wants.
    InputUnusable => "INPUT_UNUSABLE", "a picture to start from cannot be used by this provider";
    /// No credentials and address of that provider are configured here.
    ProviderNotConfigured => "PROVIDER_NOT_CONFIGURED", "the provider of this model is not configured";
    /// The provider does not accept our credentials.
    ProviderAuth => "PROVIDER_AUTH", "the provider refused the platform's credentials";
    /// The platform's account at the provider is out of money.
    ProviderQuota => "PROVIDER_QUOTA", "the platform's account at the provider is exhausted";
    /// The provider does not accept the key that the user brought along.
    OwnKeyRefused => "OWN_KEY_REFUSED", "the provider refused the user's own key";
    /// The account behind that key is out of money.
    OwnKeyExhausted => "OWN_KEY_EXHAUSTED", "the account behind the user's own key is exhausted";
    /// The adapter uses no other key than the operator's.
    OwnKeyUnusable => "OWN_KEY_UNUSABLE", "the provider takes no keys of users here";
    /// The provider wants fewer calls.
    ProviderRateLimited => "PROVIDER_RATE_LIMITED", "the provider is asked too often";
    /// The provider cannot be reached or answers with an error of its own.
    ProviderUnavailable => "PROVIDER_UNAVAILABLE", "the provider is not available";
    /// The provider took longer than a call may take.
    ProviderTimeout => "PROVIDER_TIMEOUT", "the provider did not answer in time";
    /// The provider does not accept the request.
    ProviderRejected => "PROVIDER_REJECTED", "the provider did not accept the request";
    /// The provider's answer makes no sense.
    ProviderBadAnswer => "PROVIDER_BAD_ANSWER", "the provider gave an unusable answer";
    /// What the provider called an image is none that can be kept.
    ProviderBadImage => "PROVIDER_BAD_IMAGE", "the provider delivered something that is not a usable image";
    /// Fewer images than asked, without a reason.
    ProviderFewerImages => "PROVIDER_FEWER_IMAGES", "the provider delivered fewer images than asked";
    /// Nobody can say whether the provider was paid.
    ProviderOutcomeUnknown => "PROVIDER_OUTCOME_UNKNOWN", "the outcome of the provider call is unknown";
    /// The provider points to a host that is not on the list.
    ResultHostNotAllowed => "RESULT_HOST_NOT_ALLOWED", "the provider pointed to a place that is not allowed";
    /// Nobody can say whether the image may be shown.
    ScreeningUnavailable => "SCREENING_UNAVAILABLE", "the image could not be checked in time and was not delivered";
    /// The object store does not take the image.
    StorageUnavailable => "STORAGE_UNAVAILABLE", "the image could not be stored";
    /// The gateway does not answer, so that a paid call cannot be noted.
    GatewayUnavailable => "GATEWAY_UNAVAILABLE", "the call could not be noted before it was made";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
