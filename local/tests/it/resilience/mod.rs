mod dynamodb;
mod every_request;
mod keys;
mod mail;
mod requests;
mod sessions;
mod warm_up;
