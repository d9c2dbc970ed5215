//! Lists in parts.

use lambda_http::{Request, RequestExt as _};

use super::problem::Problem;
use crate::domain::field_error::{FieldError, Violation};
use crate::domain::id::InvalidId;

/// Returns the parameter `cursor` of a request for the next part of a list, or `None` if the request
/// is for the first.
///
/// # Errors
///
/// Returns 422 if `parse` refuses it.
pub fn cursor<T>(
    request: &Request,
    parse: impl FnOnce(&str) -> Result<T, InvalidId>,
) -> Result<Option<T>, Problem> {
    let parameters = request.query_string_parameters_ref();
    let text = parameters.and_then(|parameters| parameters.first("cursor"));
    text.map(parse).transpose().map_err(|_| {
        let reason = Violation::new(
            "invalid-cursor",
            "has a cursor that is not the next_cursor of an earlier response",
        );
        Problem::InvalidFields(vec![FieldError::of_body(reason)])
    })
}
