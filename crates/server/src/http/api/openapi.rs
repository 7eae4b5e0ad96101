//! The OpenAPI 3.1 document. It is generated from the types of the answers, checked in as
//! `docs/openapi.json`, and served as checked in.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

const DOCUMENT: &str = include_str!("../../../../../docs/openapi.json");

pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::content::ContentBuilder;
    use utoipa::openapi::header::HeaderBuilder;
    use utoipa::openapi::path::PathItem;
    use utoipa::openapi::schema::{ObjectBuilder, Type};
    use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
    use utoipa::openapi::{OpenApi as Document, ResponseBuilder};
    use utoipa::{Modify, OpenApi};

    use super::*;
    use crate::http::api::{alerts, cert, first_seen, logs, search, stats};
    use crate::http::{examples, health, statistics};

    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "certstream-server",
            description = "Information about a running certstream-server. The streams themselves are at \
                           /, /full-stream and /domains-only (WebSocket) and /sse."
        ),
        paths(
            stats::stats,
            logs::logs,
            cert::cert,
            cert::entry,
            first_seen::first_seen,
            search::search,
            search::crtsh::crtsh,
            alerts::list,
            alerts::stream::stream,
            statistics::statistics,
            examples::latest,
            health::health,
            health::deep,
            health::ready,
        ),
        modifiers(&Guarded)
    )]
    struct Api;

    /// Adds the answers of authentication and limits to the routes that they apply to.
    struct Guarded;

    impl Modify for Guarded {
        fn modify(&self, document: &mut Document) {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            let components = document.components.get_or_insert_default();
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
            let guarded =
                document.paths.paths.iter_mut().filter(|(path, _)| !path.contains("health"));
            guarded.for_each(|(_, item)| guard(item));
        }
    }

    fn guard(item: &mut PathItem) {
        let Some(operation) = &mut item.get else { return };
        let text = || ObjectBuilder::new().schema_type(Type::String).build();
        let plain = |description: &str| {
            let content = ContentBuilder::new().schema(Some(text())).build();
            ResponseBuilder::new().description(description).content("text/plain", content)
        };
        let header = || HeaderBuilder::new().schema(Some(text())).build();
        let responses = &mut operation.responses.responses;
        let refused = plain("A token is required, and the request has no valid one");
        let refused = refused.header("WWW-Authenticate", header());
        responses.insert("401".to_owned(), refused.build().into());
        let elsewhere = plain("The client's address is not allowed");
        responses.insert("403".to_owned(), elsewhere.build().into());
        let too_much = plain("The client sends too many requests").header("Retry-After", header());
        responses.insert("429".to_owned(), too_much.build().into());
    }

    #[test]
    fn the_checked_in_openapi_document_matches_the_types() {
        let expected = Api::openapi().to_pretty_json().expect("JSON") + "\n";
        golden::check("docs/openapi.json", expected, "-p server openapi");
    }

    #[test]
    fn the_document_is_openapi_3_1_and_lists_every_status_of_guarded_routes() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).expect("JSON");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
        for path in [
            "/api/stats",
            "/api/logs",
            "/api/cert/{hash}",
            "/api/entry/{log}/{index}",
            "/api/search",
            "/api/first-seen",
            "/crtsh",
            "/api/alerts",
            "/api/alerts/stream",
            "/stats",
            "/latest.json",
        ] {
            for status in ["200", "401", "403", "429"] {
                let answer = &document["paths"][path]["get"]["responses"][status];
                assert!(answer.is_object(), "{path} {status}");
            }
        }
        assert!(document["paths"]["/health"]["get"]["responses"]["401"].is_null());
    }
}
