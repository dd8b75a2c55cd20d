mod corpus;
mod random;
mod replies;
mod requests;
