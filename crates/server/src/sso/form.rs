//! The page that asks for name and password, without a script.

use http::StatusCode;

use super::Visit;
use crate::answered::Answered;
use crate::html::{escape, form_page};
use crate::refused::Refused;

/// The page, with what was wrong the last time.
pub(super) fn page(visit: &Visit, refused: Option<&Refused>) -> Answered {
    let config = visit.app.config();
    let root = escape(&config.general.root_path);
    let complaint =
        refused.map(|refused| format!("<p class=\"wrong\" role=\"alert\">{}</p>\n", escape(refused.message()))).unwrap_or_default();
    let elsewhere = match config.general.sign_in.provider {
        Some(_) => format!("<p><a href=\"{root}/sso/key/generate\">Sign in with your organization</a></p>\n"),
        None => String::new(),
    };
    let content = format!(
        "<h1>Sign in</h1>\n{complaint}<form method=\"post\" action=\"{root}/login\">\n\
         <p><label>Name or address<br><input name=\"username\" autocomplete=\"username\" required></label></p>\n\
         <p><label>Password<br><input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label></p>\n\
         <p><button type=\"submit\">Sign in</button></p>\n</form>\n{elsewhere}"
    );
    let mut response = form_page(&root, "Sign in", &content);
    *response.status_mut() = refused.map_or(StatusCode::OK, |refused| refused.status);
    response
}
