"""The signs by which the kind of a failure is recognised: its words first, then its status.

The words decide, since statuses do not: Flow2API sends refusals, quotas and captchas alike as 500, relays send whatever
status they like, and quotas come as 400, 402, 403 and 429. Sources: the error tables of OpenAI, Azure, Google Gemini,
OpenRouter, Volcengine Ark, Alibaba DashScope, SiliconFlow, Zhipu and ModelScope; the sources and issues of new-api,
one-api, sub2api and LiteLLM; the pages of Cloudflare and other guards.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from service.upstreams.kinds import Kind

LOOKED_AT: Final = 500
"""Characters of a message, and of its codes, that are searched: a reason stands at the beginning."""

SEAM: Final = re.compile(r"_|(?<=[a-z])(?=[A-Z])")
"""The places at which the words of a name join."""

REFUSED: Final = frozenset(range(400, 500))
FAILED: Final = frozenset({408, *range(500, 600)})
"""Statuses of a service that failed, rather than refused. After them the work may have begun."""

NO_MODEL: Final = (
    r"(?:not (?:found|exist|available|supported|recogni[sz]ed|enabled|valid)|do(?:es)? ?n[o']t exist|unknown|invalid"
    r"|(?:been )?(?:deprecated|retired|removed|discontinued|decommissioned|shut ?down|disabled|offline))"
)
DAY: Final = (
    r"(?:per[ -]?(?:day|week|month)|daily|weekly|monthly|today|\b[ri]pd\b|每[天日周月]|[当今][天日]|本[周月]|日调用)"
)
USED_UP: Final = r"(?:quota|limit|exceed|reach|exhaust|上限|限[额制]|额度|用[完尽]|耗尽|超[过出]|次数)"


class Sign(NamedTuple):
    """Words that tell a kind, and the statuses to which that is limited; empty for all.

    `exact`: the words are names, in the case in which services write them; others are looked for in lower case, and as
    they are spelt in a sentence: `InsufficientBalance` and `insufficient_balance` are "insufficient balance". `early`:
    they tell the kind only of a request that was answered at once, see `Verdict`.
    """

    kind: Kind
    words: re.Pattern[str]
    statuses: frozenset[int] = frozenset()
    exact: bool = False
    early: bool = False


class Verdict(NamedTuple):
    """The kind of a failure. `early`: nothing says that the service had not begun, but that it answered at once."""

    kind: Kind
    early: bool = False


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words))


PAGE_SIGNS: Final = (
    Sign(
        Kind.BLOCKED,
        _any(
            "just a moment|attention required|you have been blocked|has banned your access|cf-chl|cf-error",
            "enable java ?script and cookies|checking (?:your browser|if the site connection)|ddo ?s.?guard",
            r"ddo ?s protection|incapsula|imperva|reference #[\da-f.]+|sucuri|request blocked",
            "request could not be satisfied|mod.?security|not acceptable!|security checkpoint",
            r"web application firewall|\bwaf\b|captcha|verify you are (?:a )?human",
            r"access (?:to this \w+ )?(?:has been )?(?:denied|blocked)|阻断|拦截|安全威胁|人机验证",
        ),
    ),
    Sign(Kind.ADDRESS, _any("plain http request was sent to https port")),
)
"""Signs within a page, which no image service sends: a proxy or a guard in front of it does."""

SIGNS: Final = (
    Sign(
        Kind.BLOCKED,
        _any(
            r"error (?:code: )?10(?:0[5-9]|1[0-3]|20)\b|you have been blocked|unsupported country",
            "country, region, or territory",
            "(?:user )?location is not supported|(?:available|supported) in your (?:country|region)",
            "region is not (?:supported|allowed)|virtual network/firewall|public access is disabled",
            r"(?:your|client|source|this|caller) ip\b.{0,40}(?:not|block|ban|whitelist|allowlist)",
            "ip.{0,20}(?:不在|白名单|禁止|封)|(?:所在|您的|当前)(?:地区|国家|区域)",
        ),
        REFUSED,
    ),
    Sign(
        Kind.REFERENCE,
        _any(
            "UNSAFE_IMAGE_UPLOAD|(?:MINOR|MINOR_HARM|SEXUAL|PROMINENT_PEOPLE|PHOTOREAL)_UPLOAD",
            "(?:PHOTOREAL|PROMINENT_PEOPLE|MINOR|IP)_INPUT_IMAGE",
        ),
        exact=True,
    ),
    Sign(
        Kind.RATE,
        _any(
            "THROTTLED|HIGH_TRAFFIC|DUE_TO_TRAFFIC|MODEL_OVERLOADED|GENERATION_ALREADY_IN_PROGRESS",
            "CONCURRENT_LIMIT_REACHED|VERTEX_SERVICE_UNAVAILABLE",
        ),
        exact=True,
    ),
    Sign(
        Kind.REFERENCE,
        _any(
            "input ?image ?(?:sensitive|risk)",
            "(?:input|uploaded|reference|source|provided) image.{0,80}"
            "(?:sensitive|inappropriate|not allowed|safety|policy|moderat|flagged|nsfw|unsafe|privacy|real person)",
            "(?:输入|上传|参考)的?(?:图片|图像|图).{0,16}(?:违规|敏感|审核|不安全|不当)",
        ),
    ),
    Sign(Kind.FORBIDDEN, _any("USER_MINOR|USER_REGION_DISALLOWED|MODEL_ACCESS_DENIED|APP_UNAVAILABLE"), exact=True),
    Sign(Kind.TIER, _any("需要.{0,20}账号")),
    Sign(Kind.ACCOUNT, _any("图片生成功能已全部禁用")),
    Sign(
        Kind.POLICY,
        _any(
            "UNSAFE_GENERATION|PROMINENT_PEOPLE|VIOLENCE|DANGER_FILTER|SEXUAL|PUBLIC_ERROR_MINOR|IP_FILTER",
            "REPUTATIONAL|SAFETY|PROHIBITED|blockReason",
        ),
        exact=True,
    ),
    Sign(
        Kind.POLICY,
        _any(
            "moderation blocked|content (?:management )?polic|content[ -]?filter|responsible ?ai|safety violation",
            "flagged|nudity|banned (?:word|content|prompt)|(?:sensitive|risk) ?content",
            "content ?detected|risk ?detection",
            "(?:new|sensitive) (?:word|info|data|check|sensitive)|prompt (?:is |was )?blocked",
            "blocked prompt|ip ?infringement|data ?inspection ?failed",
            "inappropriate content|content check",
            "(?:safety|moderation) (?:system|filter|polic|check|reason|guideline)",
            r"content (?:moderat\w+|safety|violation)|request moderated",
            "(?:rejected|refused|blocked|declined|violat).{0,60}"
            "(?:safety|moderation|polic|guideline|terms of|nsfw|sexual)",
            r"\bnsfw\b|unsafe content|prohibited content|copyright|trademark|contains? sensitive|usage guidelines",
            "违规|违法|敏感|不安全|(?:审核|审查|安检).{0,6}(?:不通过|未通过|失败|拒绝)|未通过.{0,8}(?:审核|审查)",
            "内容安全|安全(?:策略|审核|系统|限制|过滤)|色情|涉黄|高风险|版权|违反.{0,12}(?:政策|规定|规范|协议|准则)",
            r"コンテンツ.?ポリシー|不適切|콘텐츠 정책|политик\w+ (?:контент|безопасн|использ)",
            "pol[ií]ticas? de (?:contenido|conteúdo|uso|seguridad|segurança)|politique de contenu|inhaltsrichtlinie",
            "conte(?:nido|údo) (?:inapropiado|inadecuado|impróprio|inadequado)|contenu (?:inapproprié|interdit)",
            r"ポリシー.{0,8}違反|安全(?:システム|フィルタ)|부적절|정책.{0,10}위반",
            r"неприемлем|запрещ[её]нн\w+ (?:контент|содерж)",
            "vi phạm.{0,20}(?:chính sách|nội dung)|unangemessene",
        ),
    ),
    Sign(
        Kind.ACCOUNT,
        _any(
            "billed users|billing to be enabled|enable billing|no billing account|data policy",
            "must (?:be verified|complete verification)",
        ),
    ),
    Sign(
        Kind.QUOTA,
        _any(f"{DAY}.{{0,60}}{USED_UP}", f"{USED_UP}.{{0,60}}{DAY}", r"\blimit: 0\b"),
    ),
    Sign(
        Kind.RATE,
        _any(
            r"\b[rti]pm\b|per[ -]?min(?:ute)?\b|\bqps\b|no deployments available",
            r"(?:retry|try again) in \d{1,2}(?:\.\d+)? ?s",
        ),
        frozenset({429}),
    ),
    Sign(
        Kind.QUOTA,
        _any(
            "insufficient.{0,24}(?:quota|balance|credit|fund)",
            "(?:quota|balance|credits?|budget|allowance|subscription).{0,40}"
            "(?:not enough|insufficient|exhaust|exceed|used up|deplet|run out|too low|reached|expired|overdue)",
            "exceeded.{0,30}(?:quota|budget|credits)",
            "exhausted (?:balance|(?:its|your|the|all) .{0,20}(?:quota|credits?))",
            "(?:over|exceeded) ?budget|(?:out of|more|any|enough) credits|not enough (?:balance|credit|quota|fund)",
            "billing|arrear|good standing|overdue|payment|top[ -]?up|recharge",
            "(?:spend(?:ing)?|usage|key|credit|free) limit|set ?limit ?exceeded|free ?tier ?only",
            "free tier .{0,60}exhausted|quota (?:reached|exhausted)|resource exhausted quota",
            "[额額]度|[余餘点點积積][额額数數分].{0,10}(?:不足|不够|为零|为 ?0|用)|欠[费費]|充值|预扣费|残高",
            "クレジット.{0,8}不足|잔액|크레딧.{0,8}부족|недостаточно (?:средств|кредит|баланс)",
            "(?:saldo|cr[eé]ditos?) insuficientes?|(?:solde|crédits?) insuffisant|guthaben|credito insufficiente",
            r"số dư.{0,20}không đủ|không đủ (?:số dư|tín dụng|tiền)|yetersiz (?:bakiye|kredi)",
            r"(?:bakiye|kredi)\w* yetersiz",
            r"niewystarczaj\w+ środk|brak środków|saldo (?:tidak|kurang)|недостатньо (?:коштів|кредит)|رصيد\w* غير كاف",
            "(?:เครดิต|ยอดเงิน).{0,8}ไม่(?:เพียง)?พอ|अपर्याप्त (?:शेष|बैलेंस|क्रेडिट)",
        ),
    ),
    Sign(
        Kind.MODEL,
        _any(
            "不支持(?:的|该|此|当前|所选)?模型|closed ?endpoint|无可用渠道|無可用渠道|可用渠道不存在|没有可用的?渠道",
            "模型.{0,60}(?:不存在|未找到|下[线架]|停用|未配置|无效|無效)|model ?not ?found|deployment ?not ?found",
            "invalid ?endpoint ?or ?model|model (?:price|disabled)",
            r"モデル.{0,12}(?:見つかりません|存在しません)|모델.{0,20}(?:찾을 수 없|존재하지)",
            r"модел\w*.{0,40}не (?:найден|существ)",
            r"modell?[oe]?\b.{0,40}(?:no (?:encontrado|existe)|não (?:encontrado|existe)|introuvable|nicht gefunden"
            "|existiert nicht|n'existe pas|non trovato)",
            r"no (?:available )?(?:channel|endpoint|provider)s?\b.{0,40}(?:for|found|support)",
            "has no provider supported|not a valid model|(?:invalid|unknown|unsupported|no such) model",
            "does not work with the specified model",
            rf"\bmodels?(?: or endpoint| name| id)?\b[\s:=(]*[`'\"“「\[]?[\w./:@+-]*[`'\"”」\])]*,?\s*"
            rf"(?:is|was|are|has|have|could|can|does|do)?(?: been| be| currently)?\s*{NO_MODEL}",
            r"model\b.{0,60}(?:does not|doesn't|cannot|can't) (?:support )?(?:image generation|images?/|generat)",
        ),
    ),
    Sign(
        Kind.BAD_REQUEST,
        _any(
            "UNKNOWN_IMAGE_FILE_FORMAT|IMAGE_TOO_LARGE|IMAGE_TOO_SMALL|NON_ENGLISH_PROMPT|VERTEX_UNSUPPORTED_INPUT",
            "unknown_parameter|HTTP Error 400",
        ),
        exact=True,
    ),
    Sign(
        Kind.RATE,
        _any(
            r"\b(?:http|status|code)[ :=]*429\b|rate[ -]?limit|too many requests|过于频繁|太频繁|限流",
            "resource exhausted|limit burst rate|リクエストが多すぎ|слишком много запросов|demasiadas solicitudes",
            "요청이 너무 많|zu viele anfragen|trop de requêtes|muitas solicitações",
        ),
    ),
    Sign(Kind.CAPTCHA, _any("unusual activity|re ?captcha")),
    Sign(Kind.UNAVAILABLE, _any("没有可用的token|token at无效|queue wait timeout")),
    Sign(
        Kind.ACCOUNT,
        _any(
            r"bind your|real.?name|\bverif(?:y your|ied)\b|must be a member|not activated|model ?not ?open",
            "activate the model|service ?not ?open|purchased|has not been used in project|service disabled",
            r"(?:account|user|organi[sz]ation|team|project|consumer)s?\b.{0,30}(?:deactivated|disabled|suspended|banned|locked|frozen)",
            "实名|未开通|未激活|封禁|冻结|账[号户].{0,8}(?:禁用|停用)",
        ),
        frozenset({401, 402, 403, 404}),
    ),
    Sign(
        Kind.AUTH,
        _any(
            "not authenticated",
            "(?:invalid|incorrect|wrong|missing|expired|no) (?:api.?key|token|auth|access token|credential)",
            "api.?key.{0,40}(?:invalid|not valid|incorrect|expired|missing|not found|revoked|leaked|required|disabled)",
            "invalid ?api ?key|unauthori[sz]ed|authentication|unregistered callers",
            "(?:令牌|密钥|鉴权|认证|api ?key).{0,12}(?:无效|過期|过期|错误|不正确|失败|禁用)",
            "无效的?(?:令牌|密钥|api)|未提供(?:令牌|密钥)",
        ),
        frozenset({400, 403, 500}),
    ),
    Sign(
        Kind.FORBIDDEN,
        _any(
            "(?:no|not have|without|denied).{0,30}(?:access|permission).{0,40}model|can only access models",
            "key model access denied|(?:无权|没有权限|无权限)|model.{0,10}access ?denied",
        ),
        REFUSED,
    ),
    Sign(
        Kind.ADDRESS,
        _any(
            r"invalid url \(|no route|cannot (?:post|get) /|method not allowed|invalid method for url",
            "(?:unknown|unrecogni[sz]ed|invalid) (?:endpoint|path|route|request url|api route)",
            "unsupported api version|missing authentication token",
            "(?:接口|路径|请求地址|路由).{0,8}(?:不存在|错误|未找到)",
        ),
        REFUSED,
    ),
    Sign(
        Kind.LOST,
        _any(
            "connection ?(?:error|reset|aborted|closed|broken|lost|terminated|interrupted)|api ?connection ?error",
            r"disconnect|broken pipe|error sending request|error communicating",
            r"econnreset|socket hang up|\beof\b|premature|incomplete|truncated",
            "remote ?protocol ?error|read ?error|timed?[ -]?out|deadline|context cancell?ed|do request failed",
            "bad response (?:body|status code 5)|read response body|unmarshal|invalid character",
            "unexpected (?:end|token)|json ?decode|expecting value|has no attribute|none ?type|key ?error",
            "type ?error|undefined|(?:连接|連接).{0,8}(?:断开|中断|重置|失败|错误)|超时|逾時|解析.{0,8}(?:失败|错误)",
            "stream (?:error|closed|ended)",
        ),
        FAILED,
    ),
    Sign(
        Kind.UNAVAILABLE,
        _any(
            r"\bbusy\b|overload|负载|繁忙|拥挤|过载|饱和|no available|at capacity|(?:no|insufficient) capacity",
            "capacity (?:is )?(?:full|exceeded|reached)|queue (?:is )?full|connection refused|maintenance|维护",
            "service ?unavailable|temporarily unavailable|无可用账|混雑|혼잡",
        ),
        frozenset({429, *FAILED}),
        early=True,
    ),
    Sign(Kind.TRANSIENT, _any("SOMETHING_WENT_WRONG|UNSPECIFIED|生成结果为空"), exact=True, early=True),
)
"""Read from the top: a refused reference also holds a word of policy, an exhausted key one of authentication.

Upper case are Google's reasons, as Flow2API hands them on; they are not looked for in lower case, where `minor` or
`safety` is an ordinary word. Google suggests to check the quota also where a minute's limit is meant, so those come
before the quota.
"""

PAGE_STATUSES: Final[Mapping[int, Kind]] = {
    403: Kind.BLOCKED,
    404: Kind.ADDRESS,
    406: Kind.BLOCKED,
    407: Kind.BLOCKED,
    410: Kind.ADDRESS,
    451: Kind.BLOCKED,
}
"""Kinds by status of an answer that is no JSON: a web server in front of the service sent it, or another one."""

STATUSES: Final[Mapping[int, Verdict]] = {
    201: Verdict(Kind.ACCEPTED),
    202: Verdict(Kind.ACCEPTED),
    401: Verdict(Kind.AUTH),
    402: Verdict(Kind.QUOTA),
    403: Verdict(Kind.FORBIDDEN),
    404: Verdict(Kind.ADDRESS),
    405: Verdict(Kind.ADDRESS),
    408: Verdict(Kind.LOST),
    409: Verdict(Kind.TRANSIENT, early=True),
    425: Verdict(Kind.TRANSIENT, early=True),
    429: Verdict(Kind.RATE),
    451: Verdict(Kind.POLICY),
    501: Verdict(Kind.ADDRESS),
    503: Verdict(Kind.UNAVAILABLE, early=True),
    504: Verdict(Kind.LOST),
    521: Verdict(Kind.UNREACHABLE),
    523: Verdict(Kind.UNREACHABLE),
    525: Verdict(Kind.UNREACHABLE),
    526: Verdict(Kind.UNREACHABLE),
    520: Verdict(Kind.LOST),
    522: Verdict(Kind.LOST),
    524: Verdict(Kind.LOST),
    529: Verdict(Kind.UNAVAILABLE, early=True),
    530: Verdict(Kind.UNREACHABLE),
    598: Verdict(Kind.LOST),
    599: Verdict(Kind.LOST),
}
"""Kinds by status. Cloudflare's own: 521, 523, 525, 526 and 530 did not reach the service, 520, 522 and 524 lost its
answer.
"""


def classify(status: int, message: str, codes: str = "", *, is_text: bool = False) -> Verdict:
    """Tell the kind of a failure.

    `status` is an HTTP status, `message` the words for people, `codes` the words for programs. `is_text`: the answer
    was no JSON, so that no image service need have sent it.
    """
    is_page = is_text and (message.lstrip().startswith("<") or not message.strip())
    exact = f"{message[:LOOKED_AT]}\n{codes[:LOOKED_AT]}"
    words = SEAM.sub(" ", exact).lower()
    for sign in PAGE_SIGNS if is_page else SIGNS:
        if (not sign.statuses or status in sign.statuses) and sign.words.search(exact if sign.exact else words):
            return Verdict(sign.kind, sign.early and status in FAILED)
    if is_text and status in PAGE_STATUSES:
        return Verdict(PAGE_STATUSES[status])
    if status < 300 and is_text:
        return Verdict(Kind.ADDRESS)
    if status >= 500:
        return STATUSES.get(status, Verdict(Kind.TRANSIENT, early=True))
    return STATUSES.get(status, Verdict(Kind.BAD_REQUEST if status >= 400 else Kind.ADDRESS))
