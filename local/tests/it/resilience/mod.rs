mod dynamodb;
mod email_changes;
mod every_request;
mod keys;
mod links;
mod requests;
mod sessions;
mod warm_up;
