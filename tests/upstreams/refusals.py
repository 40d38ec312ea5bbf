"""Bad answers of image services, gateways and guards as they were reported, with the kind that each is.

Shapes and words are those of the vendors' error tables and of public reports; ids and names are invented.
"""

from typing import Final, NamedTuple

from service.upstreams.kinds import Kind


class Refusal(NamedTuple):
    """An answer: HTTP status, parsed or raw body, the kind that it must be, and its headers."""

    status: int
    body: object
    kind: Kind
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def error(message: str, code: object = None, type_: str = "") -> object:
    return {"error": {"message": message, "type": type_, "param": "", "code": code}}


def code(value: object, message: str) -> object:
    return {"code": value, "message": message}


NGINX: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n<hr><center>nginx"
)
CHALLENGE: Final = (
    '<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title>'
    "</head><body><noscript>Enable JavaScript and cookies to continue</noscript><script>window._cf_chl_opt</script>"
)
GEMINI_MINUTE: Final = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details. Retry in 34.07s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
            {"retryDelay": "34s"},
        ],
    }
}
GEMINI_DAY: Final = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details. Please retry in 4.2s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}],
    }
}
SAFETY: Final = "Your request was rejected as a result of our safety system."
ARK: Final = "The request failed because "

REFUSALS: Final = {
    # Quota and balance
    "new-api-balance": Refusal(403, error("用户额度不足, 剩余额度: ＄0.000000", "insufficient_user_quota"), Kind.QUOTA),
    "new-api-pre-charge": Refusal(403, error("预扣费额度失败, 用户剩余额度: ¥0.01", "pre_consume_failed"), Kind.QUOTA),
    "new-api-token": Refusal(401, error("该令牌额度已用尽 TokenStatusExhausted[sk-abc***xyz]"), Kind.QUOTA),
    "new-api-traditional": Refusal(403, error("用戶額度不足"), Kind.QUOTA),
    "one-api-english": Refusal(403, error("user quota is not enough", "insufficient_user_quota"), Kind.QUOTA),
    "sub2api-balance": Refusal(403, code("INSUFFICIENT_BALANCE", "Insufficient account balance"), Kind.QUOTA),
    "sub2api-402": Refusal(402, error("Insufficient balance. Required: 5 credits"), Kind.QUOTA),
    "sub2api-daily": Refusal(429, code("DAILY_LIMIT_EXCEEDED", "daily usage limit exceeded"), Kind.QUOTA),
    "jiekou": Refusal(403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "no money"}, Kind.QUOTA),
    "openai-quota": Refusal(
        429, error("You exceeded your current quota, please check your plan.", "insufficient_quota"), Kind.QUOTA
    ),
    "openai-hard-limit": Refusal(
        400, error("Billing hard limit has been reached", "billing_hard_limit_reached"), Kind.QUOTA
    ),
    "openai-per-day": Refusal(
        429,
        error("Rate limit reached on requests per day (RPD): Limit 200. Please try again in 7h12m.", "rate_limit"),
        Kind.QUOTA,
    ),
    "litellm-budget": Refusal(
        400,
        error("Budget has been exceeded! Current cost: 10.0, Max budget: 5.0", "400", "budget_exceeded"),
        Kind.QUOTA,
    ),
    "openrouter-credits": Refusal(402, {"error": {"code": 402, "message": "Insufficient credits."}}, Kind.QUOTA),
    "openrouter-key": Refusal(403, {"error": {"code": 403, "message": "Key limit exceeded (monthly)."}}, Kind.QUOTA),
    "openrouter-free-day": Refusal(
        429, {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-day."}}, Kind.QUOTA
    ),
    "ark-overdue": Refusal(
        403, error(f"{ARK}your account has an overdue balance.", "AccountOverdueError", "Forbidden"), Kind.QUOTA
    ),
    "ark-set-limit": Refusal(
        429, error("Your account has reached the set inference limit for the model.", "SetLimitExceeded"), Kind.QUOTA
    ),
    "ark-free-quota": Refusal(
        429, error("Your account has exhausted its free trial quota for this model.", "QuotaExceeded"), Kind.QUOTA
    ),
    "dashscope-arrears": Refusal(
        400, code("Arrearage", "Access denied, please make sure your account is in good standing."), Kind.QUOTA
    ),
    "dashscope-free": Refusal(
        403, code("AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."), Kind.QUOTA
    ),
    "siliconflow-balance": Refusal(403, code(30001, "Sorry, your account balance is insufficient"), Kind.QUOTA),
    "zhipu-arrears": Refusal(429, error("您的账户已欠费，请充值后重试。", "1113"), Kind.QUOTA),
    "zhipu-day": Refusal(429, error("该API已达日调用上限", "1304"), Kind.QUOTA),
    "baidu-day": Refusal(200, {"error_code": 17, "error_msg": "Open api daily request limit reached"}, Kind.QUOTA),
    "minimax": Refusal(200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, Kind.QUOTA),
    "modelscope-day": Refusal(
        429,
        {"errors": {"message": "You have exceeded today's quota for model X, please try again tomorrow"}},
        Kind.QUOTA,
    ),
    "xai-credits": Refusal(403, error("Your newly created team doesn't have any credits or licenses yet."), Kind.QUOTA),
    "fal-locked": Refusal(
        403, {"detail": "User is locked. Reason: Exhausted balance. Top up your balance."}, Kind.QUOTA
    ),
    "hugging-face": Refusal(402, {"error": "You have exceeded your monthly included credits."}, Kind.QUOTA),
    "codex-usage-limit": Refusal(
        429, {"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached"}}, Kind.QUOTA
    ),
    "gemini-day": Refusal(429, GEMINI_DAY, Kind.QUOTA),
    "japanese": Refusal(402, error("残高が不足しています"), Kind.QUOTA),
    "russian": Refusal(403, error("Недостаточно средств на балансе"), Kind.QUOTA),
    # Rates, short waits and long ones
    "gemini-minute": Refusal(429, GEMINI_MINUTE, Kind.RATE),
    "openai-per-minute": Refusal(
        429, error("Rate limit reached on images per min. Limit: 5 / 1min. Please try again in 12s."), Kind.RATE
    ),
    "openrouter-free-minute": Refusal(
        429, {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min."}}, Kind.RATE
    ),
    "siliconflow-minute": Refusal(429, code(50603, "Request was rejected due to rate limiting. IPM limit"), Kind.RATE),
    "new-api-often": Refusal(429, error("您的请求过于频繁，请稍后再试"), Kind.RATE),
    "litellm-cooldown": Refusal(
        429, error("No deployments available for selected model, Try again in 60 seconds."), Kind.RATE
    ),
    "relayed-429": Refusal(500, error("bad response status code 429", "bad_response_status_code"), Kind.RATE),
    "cloudflare-1015": Refusal(429, b"error code: 1015", Kind.RATE),
    "azure-day": Refusal(
        429, error("Requests have exceeded call rate limit. Please retry after 86400 seconds.", "429"), Kind.LIMIT
    ),
    "wait-header": Refusal(429, error("slow down"), Kind.LIMIT, {"Retry-After": "3600"}),
    "wait-hours": Refusal(429, error("Too many images. Please try again in 5 hours."), Kind.LIMIT),
    "wait-chinese": Refusal(429, error("请求过于频繁，请在 5 小时后重试"), Kind.LIMIT),
    "wait-field": Refusal(429, {"error": {"message": "slow", "details": {"resets_in_seconds": 18000}}}, Kind.LIMIT),
    # Guards in front of the service
    "cloudflare-1010": Refusal(403, b"error code: 1010", Kind.BLOCKED),
    "cloudflare-1020": Refusal(403, b"error code: 1020", Kind.BLOCKED),
    "cloudflare-json": Refusal(
        403,
        {"title": "Error 1010: Access denied", "status": 403, "detail": "x", "cloudflare_error": True},
        Kind.BLOCKED,
    ),
    "cloudflare-challenge": Refusal(403, CHALLENGE, Kind.BLOCKED),
    "cloudflare-challenge-503": Refusal(503, CHALLENGE, Kind.BLOCKED),
    "cloudflare-header": Refusal(403, b"", Kind.BLOCKED, {"cf-mitigated": "challenge"}),
    "cloudfront": Refusal(
        403, "<HTML><TITLE>ERROR</TITLE><H1>403 ERROR</H1>Request blocked. Generated by cloudfront", Kind.BLOCKED
    ),
    "akamai": Refusal(
        403, "<HTML><H1>Access Denied</H1>You don't have permission. Reference&#32;&#35;18&#46;3c", Kind.BLOCKED
    ),
    "aliyun-waf": Refusal(
        405, "<!doctypehtml>很抱歉，由于您访问的URL有可能对网站造成安全威胁，您的访问被阻断。", Kind.BLOCKED
    ),
    "vercel": Refusal(429, "<!DOCTYPE html><title>Vercel Security Checkpoint</title>", Kind.BLOCKED),
    "aws-waf": Refusal(202, b"", Kind.BLOCKED, {"x-amzn-waf-action": "challenge"}),
    "nginx-403": Refusal(403, NGINX.format("403 Forbidden"), Kind.BLOCKED),
    "plain-403": Refusal(403, b"Forbidden", Kind.BLOCKED),
    "openai-country": Refusal(
        403, error("Country, region, or territory not supported", "unsupported_country_region_territory"), Kind.BLOCKED
    ),
    "gemini-country": Refusal(
        400,
        {"error": {"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED"}},
        Kind.BLOCKED,
    ),
    "azure-firewall": Refusal(403, error("Access denied due to Virtual Network/Firewall rules.", "403"), Kind.BLOCKED),
    "new-api-ip": Refusal(403, error("您的 IP 不在令牌允许访问的列表中"), Kind.BLOCKED),
    # Addresses
    "nginx-404": Refusal(404, NGINX.format("404 Not Found"), Kind.ADDRESS),
    "nginx-405": Refusal(405, NGINX.format("405 Not Allowed"), Kind.ADDRESS),
    "nginx-https": Refusal(400, NGINX.format("400 The plain HTTP request was sent to HTTPS port"), Kind.ADDRESS),
    "gin-404": Refusal(404, b"404 page not found", Kind.ADDRESS),
    "empty-404": Refusal(404, b"", Kind.ADDRESS),
    "one-api-404": Refusal(
        404, error("Invalid URL (POST /v1/v1/images/generations)", None, "invalid_request_error"), Kind.ADDRESS
    ),
    "fastapi-404": Refusal(404, {"detail": "Not Found"}, Kind.ADDRESS),
    "fastapi-405": Refusal(405, {"detail": "Method Not Allowed"}, Kind.ADDRESS),
    "express-404": Refusal(404, "<!DOCTYPE html><pre>Cannot POST /v1/images/generations</pre>", Kind.ADDRESS),
    "spring-404": Refusal(404, {"status": 404, "error": "Not Found", "path": "/v1/images/generations"}, Kind.ADDRESS),
    "flask-404": Refusal(
        404, "<!doctype html><title>404 Not Found</title><p>The requested URL was not found", Kind.ADDRESS
    ),
    "problem-404": Refusal(404, {"type": "about:blank", "title": "Not Found", "status": 404}, Kind.ADDRESS),
    "azure-404": Refusal(404, {"error": {"code": "404", "message": "Resource not found"}}, Kind.ADDRESS),
    "kong": Refusal(404, {"message": "no Route matched with those values"}, Kind.ADDRESS),
    "cloudflare-challenge-200": Refusal(200, CHALLENGE, Kind.BLOCKED),
    "page-200": Refusal(200, "<!DOCTYPE html><title>New API</title>", Kind.ADDRESS),
    "redirect": Refusal(302, b"", Kind.ADDRESS),
    # Models
    "one-api-channel": Refusal(503, error("当前分组 default 下对于模型 gpt-image-1.5 无可用渠道"), Kind.MODEL),
    "new-api-channel": Refusal(
        503, error("分组 default 下模型 x 的可用渠道不存在（retry）", "get_channel_failed"), Kind.MODEL
    ),
    "new-api-english": Refusal(
        503, error("No available channel for model x under group default (distributor)", "model_not_found"), Kind.MODEL
    ),
    "new-api-price": Refusal(500, error("模型 x 倍率或价格未配置，请联系管理员", "model_price_error"), Kind.MODEL),
    "openai-model": Refusal(
        404, error("The model `x-1.5` does not exist or you do not have access to it."), Kind.MODEL
    ),
    "litellm-model": Refusal(400, error("Invalid model name passed in model=x. Call `/v1/models`"), Kind.MODEL),
    "openrouter-model": Refusal(400, {"error": {"code": 400, "message": "x/y is not a valid model ID"}}, Kind.MODEL),
    "openrouter-endpoint": Refusal(404, {"error": {"code": 404, "message": "No endpoints found for x/y."}}, Kind.MODEL),
    "azure-deployment": Refusal(
        404, error("The API deployment for this resource does not exist.", "DeploymentNotFound"), Kind.MODEL
    ),
    "gemini-model": Refusal(
        404,
        {"error": {"code": 404, "message": "models/x is not found for API version v1beta.", "status": "NOT_FOUND"}},
        Kind.MODEL,
    ),
    "ark-model": Refusal(
        404,
        error("The model or endpoint x does not exist or you do not have access to it.", "InvalidEndpointOrModel"),
        Kind.MODEL,
    ),
    "dashscope-model": Refusal(404, code("ModelNotFound", "Model not exist."), Kind.MODEL),
    "siliconflow-model": Refusal(400, code(20012, "Model does not exist. Please check it carefully."), Kind.MODEL),
    "zhipu-model": Refusal(400, error("模型不存在，请检查模型代码。", "1211"), Kind.MODEL),
    "ollama-model": Refusal(404, {"error": 'model "x:latest" not found, try pulling it first'}, Kind.MODEL),
    "retired-model": Refusal(410, error("The model `x` has been deprecated."), Kind.MODEL),
    "text-model": Refusal(400, error("The model gpt-9 does not support image generation."), Kind.MODEL),
    # Content policy
    "openai-safety": Refusal(400, error(SAFETY, "moderation_blocked"), Kind.POLICY),
    "openai-safety-500": Refusal(500, error(SAFETY, None, "upstream_error"), Kind.POLICY),
    "openai-safety-no-code": Refusal(400, error(SAFETY), Kind.POLICY),
    "azure-filter": Refusal(400, error("The response was filtered.", "contentFilter"), Kind.POLICY),
    "azure-responsible": Refusal(
        400,
        {"error": {"code": "content", "message": "x", "innererror": {}, "details": "ResponsibleAIPolicyViolation"}},
        Kind.POLICY,
    ),
    "imagen": Refusal(
        400,
        {"error": {"code": 400, "message": "The prompt contains sensitive words that violate Google's Responsible AI"}},
        Kind.POLICY,
    ),
    "openrouter-moderation": Refusal(
        403,
        {"error": {"code": 403, "message": "x", "metadata": {"reasons": ["violence"], "flagged_input": "y"}}},
        Kind.POLICY,
    ),
    "openrouter-maker": Refusal(
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error": {"message": "rejected by the safety system"}}', "provider_name": "Acme"},
            }
        },
        Kind.POLICY,
    ),
    "openrouter-prompt-in-metadata": Refusal(
        403,
        {
            "error": {
                "code": 403,
                "message": "x",
                "metadata": {
                    "reasons": ["violence"],
                    "flagged_input": "a captcha, insufficient credits, no such model",
                },
            }
        },
        Kind.POLICY,
    ),
    "ark-text": Refusal(
        400,
        error(f"{ARK}the input text may contain sensitive information.", "InputTextSensitiveContentDetected"),
        Kind.POLICY,
    ),
    "ark-output": Refusal(400, error("blocked", "OutputImageSensitiveContentDetected"), Kind.POLICY),
    "dashscope-inspection": Refusal(
        400, code("DataInspectionFailed", "Input or output data may contain inappropriate content."), Kind.POLICY
    ),
    "dashscope-ip": Refusal(
        400, code("IPInfringementSuspect", "Input data is suspected of being involved in IP infringement."), Kind.POLICY
    ),
    "new-api-sensitive": Refusal(400, error("用户请求中检测到敏感词", "sensitive_words_detected"), Kind.POLICY),
    "zhipu-sensitive": Refusal(400, error("系统检测到输入或生成内容可能包含不安全或敏感内容", "1301"), Kind.POLICY),
    "moonshot": Refusal(400, error("该请求被拒绝，因为它被认为是高风险的", None, "content_filter"), Kind.POLICY),
    "tencent": Refusal(
        200,
        {
            "Response": {
                "Error": {"Code": "OperationDenied.TextIllegalDetected", "Message": "文本包含违法违规信息，审核不通过"}
            }
        },
        Kind.POLICY,
    ),
    "stability": Refusal(
        403,
        {"name": "content_moderation", "errors": ["Your request was flagged by our content moderation system"]},
        Kind.POLICY,
    ),
    "black-forest-labs": Refusal(200, {"id": "x", "status": "Request Moderated", "result": None}, Kind.POLICY),
    "black-forest-labs-output": Refusal(200, {"id": "x", "status": "Content Moderated", "result": None}, Kind.POLICY),
    "xai": Refusal(400, error("Generated image rejected by content moderation."), Kind.POLICY),
    "litellm-policy": Refusal(400, error("litellm.ContentPolicyViolationError: x", "400"), Kind.POLICY),
    "nested": Refusal(500, {"detail": {"error": {"message": "x", "code": "content_policy_violation"}}}, Kind.POLICY),
    "body-as-message": Refusal(502, error('{"error":{"message":"x","code":"moderation_blocked"}}'), Kind.POLICY),
    "http-451": Refusal(451, error("no"), Kind.POLICY),
    "ark-reference": Refusal(
        400,
        error(f"{ARK}the input image may contain sensitive information.", "InputImageSensitiveContentDetected"),
        Kind.REFERENCE,
    ),
    "openai-reference": Refusal(
        400, error("Your input image may contain content that is not allowed by our safety system."), Kind.REFERENCE
    ),
    # Keys, accounts, rights
    "openai-key": Refusal(401, error("Incorrect API key provided: sk-abc***xyz.", "invalid_api_key"), Kind.AUTH),
    "gemini-key": Refusal(
        400,
        {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID"}},
        Kind.AUTH,
    ),
    "new-api-key": Refusal(401, error("无效的令牌"), Kind.AUTH),
    "jiekou-key": Refusal(403, {"code": 403, "reason": "INVALID_API_KEY", "message": "no key"}, Kind.AUTH),
    "azure-key": Refusal(
        401, error("Access denied due to invalid subscription key or wrong API endpoint.", "401"), Kind.AUTH
    ),
    "ark-not-open": Refusal(
        404,
        error("Your account has not activated the model x. Please activate the model service.", "ModelNotOpen"),
        Kind.ACCOUNT,
    ),
    "dashscope-unpurchased": Refusal(
        403,
        code("AccessDenied.Unpurchased", "Access to model denied. Please make sure you are eligible."),
        Kind.ACCOUNT,
    ),
    "openai-verify": Refusal(403, error("Your organization must be verified to use the model `x`."), Kind.ACCOUNT),
    "openai-deactivated": Refusal(401, error("x", "account_deactivated"), Kind.ACCOUNT),
    "one-api-banned": Refusal(403, error("用户已被封禁"), Kind.ACCOUNT),
    "openrouter-privacy": Refusal(
        404, {"error": {"code": 404, "message": "No endpoints found matching your data policy."}}, Kind.ACCOUNT
    ),
    "litellm-model-right": Refusal(
        403, error("key can only access models=['a']", "key_model_access_denied"), Kind.FORBIDDEN
    ),
    "new-api-model-right": Refusal(403, error("该令牌无权访问模型 x"), Kind.FORBIDDEN),
    "json-403": Refusal(403, error("no"), Kind.FORBIDDEN),
    # Requests that name what is wrong with them
    "size": Refusal(
        400, error("Invalid value: '512x512'. Supported values are '1024x1024'.", "invalid_value"), Kind.BAD_REQUEST
    ),
    "size-of-model": Refusal(400, error("该模型不支持此尺寸"), Kind.BAD_REQUEST),
    "size-for-model": Refusal(400, error("The size is not supported by the model x"), Kind.BAD_REQUEST),
    "image-url": Refusal(400, error("Invalid URL: could not fetch image_url"), Kind.BAD_REQUEST),
    # Failures in which the work may have begun, whenever they come
    "litellm-connection": Refusal(
        500,
        error("litellm.APIConnectionError: OpenAIException - 'str' object has no attribute 'model_dump'", "500"),
        Kind.LOST,
    ),
    "litellm-timeout": Refusal(408, error("litellm.Timeout: APITimeoutError - Request timed out."), Kind.LOST),
    "cliproxy": Refusal(502, error("stream disconnected before completion"), Kind.LOST),
    "new-api-do-request": Refusal(500, error("do request failed", "do_request_failed"), Kind.LOST),
    "new-api-body": Refusal(500, error("unexpected end of JSON input", "bad_response_body"), Kind.LOST),
    "new-api-502": Refusal(502, error("bad response status code 502", "bad_response_status_code"), Kind.LOST),
    "go-eof": Refusal(500, error('Post "https://x": EOF'), Kind.LOST),
    "go-deadline": Refusal(500, error("context deadline exceeded"), Kind.LOST),
    "node-hang-up": Refusal(500, {"error": "socket hang up"}, Kind.LOST),
    "chinese-timeout": Refusal(500, error("上游请求超时"), Kind.LOST),
    "gateway-504": Refusal(504, error("deadline"), Kind.LOST),
    "cloudflare-524": Refusal(524, "<title>524: A timeout occurred</title>", Kind.LOST),
    # Failures at once
    "overloaded": Refusal(503, error("The model is overloaded. Please try again later."), Kind.UNAVAILABLE),
    "siliconflow-busy": Refusal(
        503, code(50505, "Model service overloaded. Please try again later."), Kind.UNAVAILABLE
    ),
    "new-api-saturated": Refusal(429, error("当前分组上游负载已饱和，请稍后再试"), Kind.UNAVAILABLE),
    "sub2api-accounts": Refusal(503, error("No available accounts"), Kind.UNAVAILABLE),
    "ark-overloaded": Refusal(429, error("The service is overloaded.", "ServerOverloaded"), Kind.UNAVAILABLE),
    "nginx-503": Refusal(503, NGINX.format("503 Service Temporarily Unavailable"), Kind.UNAVAILABLE),
    "refused-behind": Refusal(500, error("dial tcp 10.0.0.1:443: connect: connection refused"), Kind.UNAVAILABLE),
    "cloudflare-521": Refusal(521, b"error code: 521", Kind.UNREACHABLE),
    "plain-500": Refusal(500, error("The server had an error."), Kind.TRANSIENT),
    "nginx-502": Refusal(502, NGINX.format("502 Bad Gateway"), Kind.TRANSIENT),
    "accepted": Refusal(202, {"id": "task_1", "status": "queued"}, Kind.ACCEPTED),
}
