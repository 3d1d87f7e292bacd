mod numbers;
mod rows;
mod whole;
