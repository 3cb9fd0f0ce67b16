"""Amazon Bedrock through aiobotocore, whose clients share no method with those of botocore that a call passes."""

from __future__ import annotations

from llm_track.providers import Provider, Target, _aws
from llm_track.providers._aws_body import listen

PROVIDER = Provider(
    name="aiobotocore",
    distribution="aiobotocore",
    targets=(Target("aiobotocore.client", "AioBaseClient._make_api_call", _aws.read),),
    to_json=lambda result: None,
    failure=_aws.failure,
    answer=_aws.answer,
    gives_response=_aws.gives_response,
    listen=listen,
    asks_models=_aws.asks_models,
    counts=_aws.counts,
)
