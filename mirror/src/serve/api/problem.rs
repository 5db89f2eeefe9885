//! Errors of the API (RFC 9457).

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::serve::body::ResponseBody;
use crate::serve::parameter_error::WrongParameter;
use crate::serve::response::text;

/// What went wrong (RFC 9457). There is no `type`: the status says it all.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// The phrase of the status.
    title: String,
    /// The status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What was wrong with this request.
    detail: String,
    /// The parameter that was wrong, if it was one (an extension member: RFC 9457, section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<WrongParameter>,
}

/// An error of the API about a parameter.
pub(crate) fn problem_with(
    status: StatusCode,
    detail: &str,
    parameter: Option<WrongParameter>,
) -> Response<ResponseBody> {
    let mut response = text(status, detail);
    write(&mut response, detail.to_owned(), parameter);
    response
}

/// An error of the API.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<ResponseBody> {
    as_problem(text(status, detail))
}

/// Turns a short text with an error status into a problem; other answers stay as they are.
pub(crate) fn as_problem(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let status = response.status();
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if status.as_u16() < 400 || is_problem {
        return response;
    }
    let detail = match response.body() {
        ResponseBody::Memory(bytes) => String::from_utf8_lossy(bytes).trim_end().to_owned(),
        _ => String::new(),
    };
    write(&mut response, detail, None);
    response
}

fn write(response: &mut Response<ResponseBody>, detail: String, parameter: Option<WrongParameter>) {
    let status = response.status();
    let title = status.canonical_reason().unwrap_or("Error").to_owned();
    let problem = Problem { title, status: status.as_u16(), detail, parameter };
    // Cannot fail: texts and a number.
    let mut json = serde_json::to_vec(&problem).unwrap_or_default();
    json.push(b'\n');
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(json.len()));
    *response.body_mut() = ResponseBody::Memory(Bytes::from(json));
}

const PROBLEM_JSON: &str = "application/problem+json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_stays_one() {
        let once = problem(StatusCode::NOT_FOUND, "not \"here\"");
        let twice = as_problem(problem(StatusCode::NOT_FOUND, "not \"here\""));
        for response in [once, twice] {
            let ResponseBody::Memory(bytes) = response.body() else { panic!("{response:?}") };
            let json: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            assert_eq!(
                json,
                serde_json::json!({"title": "Not Found", "status": 404, "detail": "not \"here\""})
            );
        }
    }
}
