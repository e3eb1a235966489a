"""Amazon's EC2: accounts, machines and all that clusters are made of there, by boto3."""
