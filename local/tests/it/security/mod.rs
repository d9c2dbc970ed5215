mod corpora;
mod hostile_claims;
mod hostile_tokens;
mod privileges;
mod properties;
mod rotation;
mod signing;
mod throttle;
