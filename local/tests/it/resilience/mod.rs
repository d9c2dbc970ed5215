mod dynamodb;
mod events;
mod every_request;
mod keys;
mod requests;
mod sessions;
mod warm_up;
