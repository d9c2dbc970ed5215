//! `GET /admin/users/{id}`: shows an account.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use shared::http::{Preconditions, Problem, json};

use super::{Admin, tag};

impl Admin {
    pub(super) async fn show(
        &self,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(id).await?;
        let response = json(StatusCode::OK, &account.operator_view())?;
        Preconditions::of(request).answer(response, &tag(&account)?)
    }
}
