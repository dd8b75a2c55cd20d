//! How many files and sockets the process may have open.
//!
//! Systems begin with few, for programs that cannot live with more; a program that can takes what it is allowed. Clients never get all
//! of them: who holds the last one would keep the gateway from its providers, its database and its files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What clients leave: for what is open anyway, and for connections to providers.
const OWN: u64 = 144;

/// Takes as many as the system allows.
pub(crate) fn take() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the process cannot take the descriptors it is allowed");
    }
}

/// How many connections clients may have, of those wanted.
pub(crate) fn for_clients(wanted: u32) -> usize {
    let wanted = wanted as usize;
    let Some(most) = getrlimit(Resource::Nofile).current else { return wanted };
    let fit = left_for_clients(most);
    if fit < wanted {
        tracing::warn!(descriptors = most, wanted, connections = fit, "fewer client connections fit into the descriptors (`ulimit -n`)");
    }
    fit.min(wanted)
}

/// Of so many. Where there are few, half.
fn left_for_clients(most: u64) -> usize {
    let left = most.saturating_sub(OWN).max(most / 2).max(1);
    usize::try_from(left).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::left_for_clients;

    #[test]
    fn clients_never_get_all() {
        let cases = [(0, 1), (100, 50), (256, 128), (512, 368), (1024, 880), (1 << 20, (1 << 20) - 144)];
        for (most, left) in cases {
            assert_eq!(left_for_clients(most), left, "{most}");
        }
    }
}
