//! What is in force is renewed: by a changed configuration, and by what the database has now.

use std::sync::Arc;

use crate::app::App;
use crate::auth::Keys;
use crate::chore::Chore;
use crate::config::Config;
use crate::fleet::overlay::{self, OverlayError};
use crate::fleet::{self, resilience};
use crate::live::{self, Applied, Wakes};
use crate::reload::needs_restart;

/// Puts a whole configuration in force.
pub(crate) fn take(app: &App, demo: Option<&str>, config: Arc<Config>) -> Result<Applied, OverlayError> {
    let catalog = overlay::catalog(config.switchboard.catalog.as_deref())?;
    let (fleet, unusable) = fleet::build(&config, &catalog, demo, &app.health);
    let restart = needs_restart(&app.config(), &config);
    app.smart.replace(config.switchboard.smart.clone(), &fleet);
    app.gateway.replace(fleet);
    app.gateway.configure(resilience::of(&config));
    app.books.follow(&config, &catalog);
    app.limits.follow(&config, &catalog, &app.book);
    app.catalog.store(catalog);
    app.metrics.iter().for_each(|metrics| metrics.follow(&config));
    app.discreet.follow(&config);
    app.keys.store(Arc::new(Keys::of(&config, &app.foundation)));
    app.config.store(config);
    Ok(Applied { unusable, restart })
}

/// Follows what the database has, until the chore is dropped.
pub(crate) fn follow(app: Arc<App>, demo: Option<String>, mut wakes: Wakes) -> std::io::Result<Chore> {
    // What changed between the first reading and now was heard by nobody.
    app.live.wake();
    Chore::start("live", async move || {
        while let Some(waiting) = wakes.next().await {
            renew(&app, demo.as_deref()).await;
            for one in waiting {
                // Whoever has gone need not be told.
                let _ = one.send(());
            }
        }
    })
}

async fn renew(app: &App, demo: Option<&str>) {
    switchboard_engine::failpoint::hit("renewing");
    let Some(store) = &app.store else { return };
    let laid = match live::read(store, app.trust.as_deref()).await {
        Ok(laid) => laid,
        Err(refused) => return tracing::error!("what the database adds cannot be read: {}", refused.message()),
    };
    if let Err(error) = app.live.relay(laid, &|config| take(app, demo, config)) {
        tracing::error!(%error, "what the database adds cannot be put in force");
    }
}
