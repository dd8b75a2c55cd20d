//! What the process remembers is nobody else's: keys of providers are among it.

/// From now on nothing is dumped when the process dies, and nobody but root may trace it or read its memory. Elsewhere than on Linux
/// that is for the system to say.
pub(crate) fn refuse() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process cannot keep its memory out of dumps");
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn what_refuses_dumps_is_not_dumpable() {
        super::refuse();
        assert_eq!(dumpable_behavior().expect("told"), DumpableBehavior::NotDumpable);
    }
}
