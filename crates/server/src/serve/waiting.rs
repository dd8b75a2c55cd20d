//! Calls that wait for their turn, when the gateway stops.

use std::sync::Arc;
use std::time::Instant;

use crate::app::App;
use crate::chore::Chore;
use crate::edge::Shutdown;

/// Ends all waiting when half of the time is over in which running answers may finish: who has had its turn by then needs the other
/// half, and who has not is told so, rather than cut off.
pub(crate) fn close(app: Arc<App>, shutdown: Shutdown) -> std::io::Result<Chore> {
    Chore::start("queue", async move || {
        let mut known = None;
        while let Some(until) = shutdown.another(known).await {
            let now = Instant::now();
            app.gateway.queue().close(now + until.saturating_duration_since(now) / 2);
            known = Some(until);
        }
    })
}
