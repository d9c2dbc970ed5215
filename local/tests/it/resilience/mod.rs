mod dynamodb;
mod every_request;
mod keys;
mod requests;
mod sessions;
mod streams;
mod warm_up;
