//! Requests that vendors refuse: histories, schemas and contents.
