//! What is counted, as Prometheus is told it: LiteLLM's metrics of calls, and what is looked up when somebody asks ([`gauge`], [`own`]).

mod gauge;
mod own;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use switchboard_engine::answer::AnswerBody;

use crate::app::App;
use crate::metrics::label::{MASTER_KEY, Shown};
use crate::metrics::text::Page;
use crate::metrics::{Metrics, family};

/// The metrics as they are now. Written on a thread of its own: that may be long, and requests do not wait for it.
pub(crate) async fn page(app: &Arc<App>) -> Response<AnswerBody> {
    switchboard_engine::failpoint::hit("telling_metrics");
    let Some(metrics) = app.metrics.clone() else { return nothing(StatusCode::NOT_FOUND) };
    let app = app.clone();
    let Ok(text) = tokio::task::spawn_blocking(move || written(&metrics, &app)).await else {
        return nothing(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from(text))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn nothing(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from_static(b"there are no metrics\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Everything, as text.
fn written(metrics: &Metrics, app: &App) -> String {
    let config = app.config();
    let (calls, attempts) = (metrics.calls.rows(), metrics.attempts.rows());
    let shown = Shown {
        master: app.keys.load().master().map(|_| MASTER_KEY.to_owned()),
        customers: metrics.customers.load(Ordering::Relaxed),
        metadata: config.litellm.metrics.metadata_labels.clone(),
        tags: config.litellm.metrics.tag_labels.clone(),
    };
    let mut page = Page::new(config.litellm.metrics.groups.clone());
    family::write(&mut page, &shown, &calls, &attempts);
    gauge::write(&mut page, &shown, app, &calls);
    let tables = [(&metrics.calls.count, "calls"), (&metrics.attempts.count, "attempts")];
    let lost = tables.map(|(count, name)| (name, count.rows(), count.overflowed()));
    own::write(&mut page, app, &calls, &own::Standing { began: metrics.began, tables: lost });
    page.end()
}
