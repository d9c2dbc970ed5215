mod dynamodb;
mod every_request;
mod keys;
mod links;
mod requests;
mod sessions;
mod warm_up;
