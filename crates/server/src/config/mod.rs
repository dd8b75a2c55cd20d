//! Configuration: as written, then as meant.
//!
//! Files for LiteLLM's proxy are read as they are. [`yaml`] keeps the place of every key; [`raw`] joins files and replaces
//! references to variables; [`keys`] declares every key once; [`resolved`] is what the rest of the gateway sees. Nothing is
//! dropped silently: what is wrong, unknown or without effect is said, with file, line and column. No message shows a value,
//! because any value may be a credential.
//!
//! Start reading at [`Loader::load`].

mod diagnostic;
mod elsewhere;
mod environment;
mod fields;
pub mod keys;
mod laid;
mod load;
pub mod raw;
mod report;
pub mod resolved;
mod secret;
#[cfg(test)]
mod tests;
mod watch;
pub mod yaml;

pub(crate) use diagnostic::closest;
pub use diagnostic::{Diagnostic, Diagnostics, Location, Severity};
pub use elsewhere::Elsewhere;
pub(crate) use elsewhere::holds_secret;
pub use environment::Environment;
pub use keys::render_configuration_markdown;
pub use laid::{Laid, REFERENCE, may_name};
pub use load::{Loaded, Loader, Overrides, ProviderKeys, Source};
pub use report::report;
pub use resolved::Config;
pub use secret::Secret;
pub use watch::{Reload, Watch, WatchThread};
