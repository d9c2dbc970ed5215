//! `POST /email/verify`: proves the address of an account.

use lambda_http::{Body, Request, Response};
use shared::domain::{Event, LinkToken, Origin, Password, Purpose};
use shared::http::{Fields, Media, Problem, no_content};
use shared::observe::AuditEvent;

use super::{Found, Links, Refused};

impl Links {
    /// Proves the address of the account of a link, which somebody who knows its password has.
    pub(super) async fn verify(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let token = fields.required("token", |text| Ok(LinkToken::parse(text)));
        let password = fields.required("password", Password::presented);
        let (token, password) = fields.finish(|| Some((token?, password?)))?;
        let origin = self.throttle.origin(request, self.clock.millis());
        let purpose = &[Purpose::EmailVerification];
        let found = self.find(token, purpose, origin.now()).await?;
        let found = found.map_err(Refused::answer)?;
        let (attempt, _) = self.verify_owner(&found, &password, &origin).await?;
        let proven = self.prove(&found, &origin).await;
        if proven.is_err() {
            attempt.refund().await;
        }
        proven
    }

    /// Proves the address.
    async fn prove(
        &self,
        Found { token, account, .. }: &Found,
        origin: &Origin,
    ) -> Result<Response<Body>, Problem> {
        let verified = AuditEvent::EmailVerified.of(account.id);
        let events = [Event::new(verified, account.id, origin)];
        let of_link = (token, account);
        let verified = self.store.verify_email(of_link, &events, origin.now());
        if let Err(reason) = verified.await? {
            let user = Some(account.id);
            return Err(Refused { reason, user }.answer());
        }
        events.into_iter().for_each(Event::log);
        Ok(no_content())
    }
}
