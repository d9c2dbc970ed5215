//! `POST /email/verify`: proves the address of an account.

use lambda_http::{Body, Request, Response};
use shared::domain::{Event, LinkToken, Purpose};
use shared::http::{Fields, Media, Problem, no_content};
use shared::observe::AuditEvent;

use super::{Found, Links, Refused};

impl Links {
    pub(super) async fn verify(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let mut fields = Fields::read(request, Media::Json)?;
        let token = fields.required("token", |text| Ok(LinkToken::parse(text)));
        let token = fields.finish(|| token)?;
        let origin = self.throttle.origin(request, self.clock.millis());
        let now = origin.now();
        let found = self.find(token, &[Purpose::EmailVerification], now).await?;
        let Found { token, account, .. } = found.map_err(Refused::answer)?;
        let verified = AuditEvent::EmailVerified.of(account.id);
        let events = [Event::new(verified, account.id, &origin)];
        let verified = self.store.verify_email((&token, &account), &events, now);
        if let Err(reason) = verified.await? {
            let user = Some(account.id);
            return Err(Refused { reason, user }.answer());
        }
        events.into_iter().for_each(Event::log);
        Ok(no_content())
    }
}
